import { expect } from 'chai';

import { FakeArtifact } from '../../../fakes/index.ts';
import { InvalidSpecError } from '../../../src/errors/caller.ts';
import type { ContainerSpec } from '../../../src/runtime/container.ts';
import { cleanPath, planContainer } from '../../../src/worker/container-plan.ts';

function fieldOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof InvalidSpecError) return error.field;
    throw error;
  }
  return undefined;
}

describe('planContainer', () => {
  const plan = (parts: Partial<ContainerSpec>) => planContainer({ image: 'busybox:1', ...parts });
  const mountsOf = (parts: Partial<ContainerSpec>) =>
    plan(parts).mounts.map(({ kind, mountPath, name }) => [kind, mountPath, name]);
  const artifact = new FakeArtifact();

  it('returns absolute, normalized paths, and resolves relative paths against the dir', () => {
    const parts = {
      dir: '/build//x/',
      inputs: [{ artifact, path: './in/' }],
      outputs: { out: 'sub/./out' },
      caches: ['/cache//c'],
    };
    expect(mountsOf(parts)).to.deep.equal([
      ['input', '/build/x/in', undefined],
      ['output', '/build/x/sub/out', 'out'],
      ['cache', '/cache/c', undefined],
      ['dir', '/build/x', undefined],
    ]);
  });

  it('uses the volume of an input for an output at the same path', () => {
    const { mounts } = plan({ dir: '/b', inputs: [{ artifact, path: 'same' }], outputs: { changed: 'same/' } });
    expect(mounts[0]).to.deep.equal({ kind: 'output', mountPath: '/b/same', name: 'changed', artifact });
    expect(mounts).to.have.length(2);
  });

  it('plans no separate volume for a dir that is an input, an output or a cache', () => {
    expect(mountsOf({ dir: '/b', outputs: { all: '/b' } })).to.deep.equal([['output', '/b', 'all']]);
  });

  it('plans no mounts for a specification without volumes', () => {
    expect(mountsOf({})).to.deep.equal([]);
  });

  it('rejects any other duplicate path, and names the second field', () => {
    expect(fieldOf(() => plan({ outputs: { a: '/o', b: '/o' } }))).to.equal('outputs.b');
    expect(fieldOf(() => plan({ caches: ['/c'], outputs: { c: '/c' } }))).to.equal('caches[0]');
    expect(fieldOf(() => plan({ inputs: [{ artifact, path: '/i' }], caches: ['/i'] }))).to.equal('caches[0]');
  });

  it('names the invalid field', () => {
    const wrong: Record<string, Partial<ContainerSpec>> = {
      image: { image: 'a b' },
      dir: { dir: '' },
      'env[1]': { env: ['A=1', 'B'] },
      user: { user: 'a b' },
      'limits.cpuMilli': { limits: { cpuMilli: 0.5 } },
      'sidecars[0].image': { sidecars: [{ name: 's', image: '' }] },
      'sidecars[1].image': {
        sidecars: [
          { name: 's', image: 'i' },
          { name: 't', image: 'registry.example/UPPER' },
        ],
      },
      'sidecars[1].name': {
        sidecars: [
          { name: 's', image: 'i' },
          { name: 's', image: 'i' },
        ],
      },
      platform: { platform: 'riscv64' as 'amd64' },
    };
    for (const [field, parts] of Object.entries(wrong))
      expect(
        fieldOf(() => plan(parts)),
        field,
      ).to.equal(field);
  });
});

describe('cleanPath', () => {
  it('rejects paths that cannot be mount paths', () => {
    for (const path of [
      '',
      '/',
      '//',
      '/..',
      '/a/../b',
      'relative',
      '/a:b',
      '/a\0b',
      '/.kw',
      '/.kw/volumes',
      '/.kw-agent/agent',
    ]) {
      expect(
        fieldOf(() => cleanPath('path', path, undefined)),
        JSON.stringify(path),
      ).to.equal('path');
    }
  });

  it('accepts unusual names', () => {
    for (const path of ['/a b', '/..a', '/a/...', '/.kwx', '/-n', '/ünï'])
      expect(cleanPath('path', path, undefined)).to.equal(path);
  });
});
