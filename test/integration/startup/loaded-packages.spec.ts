import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect } from 'chai';

const run = promisify(execFile);

const program = fileURLToPath(new URL('loaded-packages.ts', import.meta.url));

const kubeconfig = {
  clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
  users: [{ name: 'u', user: { token: 'secret' } }],
  contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  'current-context': 'c',
};

describe('the start of a host', () => {
  let folder: string;
  let steps: Readonly<Record<string, readonly string[]>>;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kw-startup-'));
    const [json, yaml] = [join(folder, 'json'), join(folder, 'yaml')];
    await writeFile(json, JSON.stringify(kubeconfig));
    await writeFile(yaml, `# YAML\n${JSON.stringify(kubeconfig)}`);
    const { stdout } = await run(process.execPath, [program, json, yaml]);
    steps = JSON.parse(stdout) as typeof steps;
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  it('loads only small packages with the import', () => {
    expect(steps['import']).to.deep.equal(['@opentelemetry/api', 'valibot']);
  });

  it('loads kysely when a worker opens', () => {
    expect(steps['open']).to.deep.equal(['@opentelemetry/api', 'kysely', 'valibot']);
  });

  it('loads undici, and not client-node, for credentials from a kubeconfig', () => {
    expect(steps['credentials']).to.deep.equal(['@opentelemetry/api', 'kysely', 'undici', 'valibot']);
  });

  it('loads a parser, and not client-node, for a kubeconfig in YAML', () => {
    expect(steps['YAML']).to.deep.equal(['@opentelemetry/api', 'js-yaml', 'kysely', 'undici', 'valibot']);
  });
});
