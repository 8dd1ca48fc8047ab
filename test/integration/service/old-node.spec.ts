import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

import manifest from '../../../package.json' with { type: 'json' };

const main = fileURLToPath(new URL('../../../src/service/main.ts', import.meta.url));

/** Starts the program in a process that states another version of Node than it has. */
async function startUnder(version: string): Promise<{ readonly exitCode: unknown; readonly stderr: string }> {
  const versions = `{ ...process.versions, node: '${version}' }`;
  const claim = `data:text/javascript,Object.defineProperty(process, 'versions', { value: ${versions} })`;
  return await new Promise((resolve) => {
    execFile(process.execPath, ['--import', claim, main, '--version'], (error, _stdout, stderr) => {
      resolve({ exitCode: error?.code ?? 0, stderr });
    });
  });
}

describe('kubernetes-worker under another version of Node', () => {
  const lowest = manifest.engines.node.replace('>=', '');

  it('exits with 78 under one that is too old, and names the lowest', async () => {
    const { exitCode, stderr } = await startUnder('22.18.9');
    expect(exitCode).to.equal(78);
    expect(stderr).to.contain(`needs Node ${lowest} or newer`);
  });

  it('starts under the lowest of package.json, and under a newer one', async () => {
    for (const version of [`${lowest}.0`, '24.0.0']) expect(await startUnder(version)).to.include({ exitCode: 0 });
  });
});
