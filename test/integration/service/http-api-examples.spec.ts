import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { prints } from '../../../fakes/index.ts';
import { type RunningStatusServer, runStatusServer } from '../../support/service/status-server.ts';

const run = promisify(execFile);
const document = new URL('../../../docs/http-api.md', import.meta.url);

/** Returns the commands of all `sh` blocks. */
async function commands(): Promise<readonly string[]> {
  const text = await readFile(document, 'utf8');
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.trim().split('\n'));
}

describe('The examples of docs/http-api.md', () => {
  const token = 'the-token-of-the-examples';
  let folder: string;
  let running: RunningStatusServer;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kw-examples-'));
    await writeFile(join(folder, 'token'), token);
    running = await runStatusServer({ commands: { task: prints({ stdout: 'one\ntwo\n' }) } });
  });

  after(async () => {
    await running[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it('work with curl', async () => {
    const found = await commands();
    expect(found).to.have.length.above(8);
    const env = { ...process.env, URL: running.url, HANDLE: 'c', TASK: 'c:task', TOKEN: token, no_proxy: '*' };
    await Promise.all(
      found.map(async (command) => {
        const { stdout } = await run('sh', ['-c', command.replace('curl ', 'curl --fail ')], { env });
        expect(stdout, command).to.not.equal('');
      }),
    );
  });

  it('have the token that the server requires', async () => {
    const command = (await commands()).find((each) => each.includes('$TOKEN'))!;
    await using guarded = await runStatusServer({ config: { auth: 'token', tokenFile: join(folder, 'token') } });
    const env = { ...process.env, URL: guarded.url, TOKEN: token, no_proxy: '*' };
    const { stdout } = await run('sh', ['-c', command], { env });
    expect(JSON.parse(stdout)).to.include({ status: 'ok' });
  });

  it('state every code that the server has, and its status', async () => {
    const text = await readFile(document, 'utf8');
    const source = await readFile(new URL('../../../src/service/status/http/http-error.ts', import.meta.url), 'utf8');
    const codes = [...source.matchAll(/^ {2}(KW_HTTP_[A-Z_]+): \[(\d+)/gm)];
    expect(codes).to.have.length.above(10);
    for (const [, code, status] of codes) expect(text, code).to.match(new RegExp(`\\| ${status} \\|[^|]*\`${code}\``));
  });
});
