import { expect } from 'chai';

import type { ContainerInfo, ContainerState } from '../../../../src/index.ts';
import { ageOf } from '../../../../src/service/cli/age.ts';
import { changesBetween } from '../../../../src/service/cli/container-changes.ts';

function container(handle: string, state: ContainerState): ContainerInfo {
  const owner = { kind: 'build-step', key: handle };
  return { handle, state, owner, podName: `kw-${handle}`, podUid: undefined, metadata: {}, createdAt: new Date(0) };
}

function changes(before: readonly ContainerInfo[] | undefined, after: readonly ContainerInfo[]): readonly string[] {
  return changesBetween(before, after).map(
    ({ kind, container: { handle, state }, previousState }) => `${kind} ${handle} ${previousState ?? ''}>${state}`,
  );
}

describe('the changes between two lists of containers', () => {
  it('are all containers as present without an earlier list', () => {
    expect(changes(undefined, [container('a', 'created')])).to.deep.equal(['present a >created']);
  });

  it('are what was added, what has another state, and what no longer exists', () => {
    const before = [container('a', 'creating'), container('b', 'created'), container('c', 'destroying')];
    const after = [container('a', 'created'), container('b', 'created'), container('d', 'creating')];
    expect(changes(before, after)).to.deep.equal([
      'changed a creating>created',
      'added d >creating',
      'deleted c >destroying',
    ]);
  });
});

describe('an age', () => {
  it('has its two largest units', () => {
    const ages = [0, 12, 60, 61, 3_599, 3_600, 90_061, 86_400].map((seconds) =>
      ageOf(new Date(0), new Date(seconds * 1000)),
    );
    expect(ages).to.deep.equal(['0s', '12s', '1m', '1m1s', '59m59s', '1h', '1d1h', '1d']);
  });

  it('is zero for a moment in the future', () => {
    expect(ageOf(new Date(1000), new Date(0))).to.equal('0s');
  });
});
