import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Prints the packages that a run of the program has loaded to stderr. */
const program = `
import { registerHooks } from 'node:module';
const packages = new Set();
registerHooks({
  resolve(specifier, context, next) {
    const [, name] = /^((?:@[^/]+\\/)?[^./][^/]*)/.exec(specifier) ?? [];
    const isPackage = name !== undefined && !/^(node|file):/.test(name);
    if (isPackage && !context.parentURL?.includes('/node_modules/')) packages.add(name);
    if (/\\/src\\/index\\.ts$/.test(specifier)) packages.add('the library');
    return next(specifier, context);
  },
});
process.on('exit', () => process.stderr.write(JSON.stringify([...packages].sort())));
process.argv.splice(1, 0, 'kubernetes-worker');
await import(${JSON.stringify(new URL('../../../src/service/main.ts', import.meta.url).href)});
`;

function loadedBy(...args: string[]): readonly string[] {
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program, ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(child.stdout, child.stderr).not.to.equal('');
  return JSON.parse(child.stderr) as string[];
}

describe('the start of the command line', () => {
  for (const args of [
    ['logs', '--help'],
    ['completion', 'bash'],
    ['explain', 'error', 'closed'],
  ])
    it(`loads commander only for ${args.join(' ')}`, () => {
      expect(loadedBy(...args).filter((name) => name !== 'kubernetes-worker')).to.deep.equal(['commander']);
    });

  it('exits with 1 if the help or the version cannot be written', () => {
    for (const flag of ['--help', '--version']) {
      const command = `"${process.execPath}" src/service/main.ts ${flag} > /dev/full`;
      const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: root, encoding: 'utf8' });
      expect(status).to.equal(1);
      expect(stderr).to.contain('cannot write the output: ENOSPC');
    }
  });

  it('ends silently if the reader of stdout ends', () => {
    const command = `"${process.execPath}" src/service/main.ts explain error | head -c 1; echo " \${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', command], { cwd: root, encoding: 'utf8' });
    expect([stdout, stderr]).to.deep.equal(['C 0\n', '']);
  });
});
