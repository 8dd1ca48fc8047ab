import { expect } from 'chai';

import type { Image, ImageEntry } from '../../../scripts/image/image-archive.ts';
import { imageProblems } from '../../../scripts/image/image-problems.ts';

const file = (path: string, parts: Partial<ImageEntry> = {}): ImageEntry => ({
  path,
  type: 'file',
  mode: 0o644,
  bytes: 1,
  head: '',
  ...parts,
});

const entries = [
  file('tmp', { type: 'directory', mode: 0o1777 }),
  file('lib64/ld-linux-x86-64.so.2', { type: 'symlink', mode: 0o777 }),
  file('etc/ssl/certs/ca-certificates.crt'),
  file('usr/local/bin/node', { mode: 0o755, bytes: 127_000_000 }),
  file('app/dist/src/service/main.js'),
  file('app/agent/bin/linux-x64/agent', { mode: 0o755 }),
  file('app/agent/bin/linux-arm64/agent', { mode: 0o755 }),
  file('app/node_modules/@aws-sdk/client-s3/package.json'),
  file('app/node_modules/@opentelemetry/api/package.json'),
  file('app/node_modules/@opentelemetry/sdk-trace/package.json'),
  file('app/node_modules/pg/package.json'),
  file('app/sbom.cdx.json'),
  file('app/LICENSE'),
];

const labels = ['title', 'description', 'licenses', 'version', 'revision'];
const good: Image = {
  digest: 'sha256:0',
  compressedBytes: 60_000_000,
  entries,
  config: {
    User: '65532:65532',
    Env: ['PATH=/usr/local/bin', 'HOME=/tmp'],
    Entrypoint: ['/usr/local/bin/node', '/app/dist/src/service/main.js'],
    Labels: Object.fromEntries(labels.map((label) => [`org.opencontainers.image.${label}`, 'x'])),
  },
};

const problemsWith = (entry: ImageEntry): readonly string[] => imageProblems({ ...good, entries: [...entries, entry] });

describe('imageProblems', () => {
  it('finds nothing in an image with what the service needs, and no more', () => {
    expect(imageProblems(good)).to.deep.equal([]);
  });

  const unwanted: readonly (readonly [path: string, problem: string])[] = [
    ['bin/sh', 'a shell'],
    ['usr/bin/dash', 'a shell'],
    ['usr/bin/env', 'a shell'],
    ['usr/local/bin/npm', 'a package manager'],
    ['usr/local/lib/node_modules/npm/index.js', 'a package manager'],
    ['usr/bin/curl', 'a program that downloads'],
    ['root/.npm/_cacache/index', 'a package cache'],
    ['app/.npmrc', 'the configuration of a package manager'],
    ['app/node_modules/pg/.npmrc', 'the configuration of a package manager'],
    ['etc/apt/sources.list', 'the configuration of a package manager'],
    ['app/dist/src/index.d.ts', 'types, sources or source maps'],
    ['app/node_modules/zod/index.d.cts', 'types, sources or source maps'],
    ['app/dist/src/index.js.map', 'types, sources or source maps'],
    ['app/node_modules/pg/test/unit.js', 'tests'],
    ['app/node_modules/pg/parser.test.js', 'tests'],
    ['app/node_modules/typescript/package.json', 'a development dependency'],
    ['app/node_modules/@electric-sql/pglite/package.json', 'a development dependency'],
    ['app/.git/config', 'a repository'],
    ['etc/resolv.conf', 'settings of the machine that built it'],
  ];
  for (const [path, problem] of unwanted)
    it(`finds ${problem}: ${path}`, () => {
      expect(problemsWith(file(path)).join('\n')).to.contain(`${path}: ${problem}`);
    });

  it('finds programs with the rights of others, files that every user may write to, and devices', () => {
    expect(problemsWith(file('a', { mode: 0o4755 }))).to.deep.equal(['a: runs as another user or group']);
    expect(problemsWith(file('a', { mode: 0o2755 }))).to.deep.equal(['a: runs as another user or group']);
    expect(problemsWith(file('a', { mode: 0o666 }))).to.deep.equal(['a: every user may write to it']);
    expect(problemsWith(file('a', { type: 'directory', mode: 0o777 }))).to.deep.equal([
      'a: every user may write to it',
    ]);
    expect(problemsWith(file('a', { type: 'block-device' }))).to.deep.equal(['a: a block-device']);
  });

  it('finds private keys by their content, and passes code that only names them', () => {
    const key = `-----BEGIN EC PRIVATE KEY-----\n${'A'.repeat(64)}\n`;
    expect(problemsWith(file('app/a.json', { head: key }))).to.deep.equal(['app/a.json: a private key']);
    expect(problemsWith(file('app/a.js', { head: "'-----BEGIN PRIVATE KEY-----' + key" }))).to.deep.equal([]);
  });

  it('finds each missing file', () => {
    for (const { path } of entries.slice(2)) {
      const without = imageProblems({ ...good, entries: entries.filter((entry) => entry.path !== path) });
      expect(without).to.deep.equal([`${path}: is missing`]);
    }
  });

  it('finds users that are root or only a name, another entry point, secret variables, and missing labels', () => {
    const withConfig = (config: Image['config']): readonly string[] =>
      imageProblems({ ...good, config: { ...good.config, ...config } });
    for (const User of ['', 'root', 'nonroot', '0:0', '65532', '65532:0'])
      expect(withConfig({ User })).to.deep.equal([`user ${User}: not the numbers of a user and a group`]);
    expect(withConfig({ Entrypoint: ['/bin/sh', '-c'] })).to.deep.equal(['the entry point is not Node']);
    expect(withConfig({ Env: ['NPM_TOKEN=x', 'https_proxy=x'] })).to.deep.equal([
      'variable NPM_TOKEN',
      'variable https_proxy',
    ]);
    expect(withConfig({ Labels: {} })).to.deep.equal(labels.map((label) => `label ${label} is missing`));
  });

  it('finds an image that is too large', () => {
    expect(imageProblems({ ...good, compressedBytes: 80_000_001 })).to.deep.equal([
      'compressedBytes: 80000001, above 80000000',
    ]);
    expect(problemsWith(file('app/a.js', { bytes: 140_000_000 })).join()).to.match(/^unpackedBytes: 267\d{6}, above/);
  });
});
