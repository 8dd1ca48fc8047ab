import { expect } from 'chai';

import { planCopy } from '../../../../../src/service/cli/copy/copy.ts';
import { encodingOf, mountOf, parsePlace } from '../../../../../src/service/cli/copy/place.ts';

describe('a place of cp', () => {
  for (const [text, place] of [
    ['-', { kind: 'stdio' }],
    ['source', { kind: 'local', path: 'source' }],
    ['./odd:name', { kind: 'local', path: './odd:name' }],
    ['/tmp/odd:name', { kind: 'local', path: '/tmp/odd:name' }],
    ['../a', { kind: 'local', path: '../a' }],
    ['h-1:/a/b', { kind: 'container', handle: 'h-1', path: '/a/b' }],
    ['h-1:/a:b', { kind: 'container', handle: 'h-1', path: '/a:b' }],
    ['volume:h-1', { kind: 'volume', handle: 'h-1', path: '' }],
    ['volume:h-1:a/b:c', { kind: 'volume', handle: 'h-1', path: 'a/b:c' }],
  ] as const) {
    it(`is ${JSON.stringify(place)} if written as ${text}`, () => {
      expect(parsePlace(text)).to.deep.equal(place);
    });
  }

  for (const text of ['', 'h-1:relative', 'h-1:', ':/a', 'volume:', 'volume::a']) {
    it(`is refused if written as ${JSON.stringify(text)}`, () => {
      expect(() => parsePlace(text))
        .to.throw()
        .with.property('exitCode', 64);
    });
  }

  it('is an archive by its name', () => {
    const names = ['a.tar', 'a.tar.gz', 'a.TGZ', 'a.tar.zst', 'a.tzst', 'a.gz', 'tar', 'a.tar/b'];
    expect(names.map(encodingOf)).to.deep.equal([
      'raw',
      'gzip',
      'gzip',
      'zstd',
      'zstd',
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('the mount of a path', () => {
  const mounts = ['/work', '/work/a/deep', '/work/a'].map((mountPath) => ({ mountPath }));

  for (const [path, mountPath, rest] of [
    ['/work', '/work', ''],
    ['/work/', '/work', ''],
    ['/work/b/c', '/work', 'b/c'],
    ['/work/a', '/work/a', ''],
    ['/work/a/b/', '/work/a', 'b/'],
    ['/work/a/../b', '/work', 'b'],
    ['/work/a/deep/x', '/work/a/deep', 'x'],
  ] as const) {
    it(`is the longest one that contains it: ${path}`, () => {
      expect(mountOf(mounts, path)).to.deep.equal({ mount: { mountPath }, path: rest });
    });
  }

  it('does not exist outside of all mounts', () => {
    for (const path of ['/', '/workshop', '/work/../etc', '/a']) expect(mountOf(mounts, path)).to.equal(undefined);
    expect(mountOf([], '/work')).to.equal(undefined);
  });

  it('may be the root', () => {
    expect(mountOf([{ mountPath: '/' }], '/a/b')).to.deep.equal({ mount: { mountPath: '/' }, path: 'a/b' });
  });
});

describe('a copy', () => {
  it('has a container or a volume at one end', () => {
    expect(() => planCopy('a', 'b'))
      .to.throw('neither the source nor the target')
      .with.property('exitCode', 64);
    expect(planCopy('a', 'h:/b').to.kind).to.equal('container');
    expect(planCopy('h:/b', '-').to.kind).to.equal('stdio');
    expect(planCopy('h:/b', 'volume:v').to.kind).to.equal('volume');
  });
});
