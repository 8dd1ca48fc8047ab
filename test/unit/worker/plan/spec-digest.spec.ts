import { expect } from 'chai';
import fc from 'fast-check';

import { FakeArtifact } from '../../../../fakes/index.ts';
import type { ContainerSpec } from '../../../../src/runtime/container.ts';
import { planContainer } from '../../../../src/worker/plan/container-plan.ts';
import { specDigest } from '../../../../src/worker/plan/spec-digest.ts';

const artifact = (handle: string) => new FakeArtifact({ handle });
const full: ContainerSpec = {
  image: 'busybox:1',
  dir: '/build',
  env: ['A=1', 'B=2'],
  user: 'ci',
  inputs: [
    { artifact: artifact('a-1'), path: 'one' },
    { artifact: artifact('a-2'), path: 'two' },
  ],
  outputs: { result: 'result', changed: 'one' },
  caches: ['cache'],
  limits: { cpuMilli: 500, memoryBytes: 1_000_000 },
  sidecars: [{ name: 'db', image: 'postgres:18', command: ['run'], args: ['-v'], env: ['P=1'], dir: '/', limits: {} }],
  privileged: true,
  platform: 'arm64',
};
const digestOf = (spec: ContainerSpec): string => specDigest(planContainer(spec));
const changed = (parts: Partial<ContainerSpec>): string => digestOf({ ...full, ...parts });

describe('specDigest', () => {
  it('never changes for a specification, because rows of running containers have it', () => {
    expect(digestOf({ image: 'busybox:1' })).to.equal(
      '1fa886ee977527ded0e3d14140201ef717f9f25f76fa1431b0f79ff3074d3ea0',
    );
    expect(digestOf(full)).to.equal('fe6c86b25d0d544aaa68be1fc2decd8a18282523abc474ff09e4d8e2e2df2512');
  });

  const differing: Readonly<Record<string, Partial<ContainerSpec>>> = {
    'the image': { image: 'busybox:2' },
    'the dir': { dir: '/other' },
    'the value of a variable': { env: ['A=1', 'B=3'] },
    'a missing variable': { env: ['A=1'] },
    'the user': { user: 'root' },
    'the artifact of an input': {
      inputs: [
        { artifact: artifact('a-1'), path: 'one' },
        { artifact: artifact('a-3'), path: 'two' },
      ],
    },
    'the path of an input': {
      inputs: [
        { artifact: artifact('a-1'), path: 'one' },
        { artifact: artifact('a-2'), path: 'three' },
      ],
    },
    'the name of an output': { outputs: { outcome: 'result', changed: 'one' } },
    'the path of an output': { outputs: { result: 'outcome', changed: 'one' } },
    'the path of a cache': { caches: ['other'] },
    'the step of the task caches': { taskCache: { job: 'j', step: 's' } },
    'a limit': { limits: { cpuMilli: 500 } },
    'a sidecar': { sidecars: [] },
    'the value of a variable of a sidecar': { sidecars: [{ ...full.sidecars![0]!, env: ['P=2'] }] },
    'the order of the arguments of a sidecar': { sidecars: [{ ...full.sidecars![0]!, args: ['-v', '-x'] }] },
    'its privileges': { privileged: false },
    'the name of its pod': { podName: 'step-1' },
    'the owners of its pod': { pod: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }] } },
    'its platform': { platform: 'amd64' },
  };
  for (const [what, parts] of Object.entries(differing)) {
    it(`depends on ${what}`, () => {
      expect(changed(parts)).to.not.equal(digestOf(full));
    });
  }

  it('depends on its isolation', () => {
    const ordinary = digestOf({ image: 'busybox:1' });
    expect(digestOf({ image: 'busybox:1', hermetic: true })).to.not.equal(ordinary);
    expect(digestOf({ image: 'busybox:1', hermetic: false })).to.equal(ordinary);
  });

  it('covers every field of a specification', () => {
    const covered = new Set(Object.values(differing).flatMap((parts) => Object.keys(parts)));
    expect(Object.keys(full).filter((field) => !covered.has(field))).to.deep.equal([]);
  });

  const same: Readonly<Record<string, Partial<ContainerSpec>>> = {
    'the order of variables, inputs, outputs and limits': {
      env: ['B=2', 'A=1'],
      inputs: full.inputs!.toReversed(),
      outputs: { changed: 'one', result: 'result' },
      limits: { memoryBytes: 1_000_000, cpuMilli: 500 },
    },
    'a variable that a later entry replaces': { env: ['A=0', 'B=2', 'A=1'] },
    'the form of a path': { dir: '/build/', caches: ['/build//cache'] },
    'an empty list in place of an absent one': { sidecars: [{ ...full.sidecars![0]!, limits: undefined }] },
  };
  for (const [what, parts] of Object.entries(same)) {
    it(`does not depend on ${what}`, () => {
      expect(changed(parts)).to.equal(digestOf(full));
    });
  }

  it('is the same for the same variables in any order, and differs for others', () => {
    const variables = fc.uniqueArray(fc.tuple(fc.stringMatching(/^[A-Z]{1,3}$/), fc.string({ unit: 'grapheme' })), {
      selector: ([name]) => name,
      maxLength: 6,
    });
    const entries = (of: readonly (readonly [string, string])[]) =>
      of.map(([name, value]) => `${name}=${value.replaceAll('\0', '')}`);
    fc.assert(
      fc.property(variables, variables, (one, two) => {
        const [first, second] = [entries(one), entries(two)];
        expect(changed({ env: first.toReversed() })).to.equal(changed({ env: first }));
        const isSame = first.toSorted().join('\0') === second.toSorted().join('\0');
        expect(changed({ env: second }) === changed({ env: first })).to.equal(isSame);
      }),
    );
  });
});
