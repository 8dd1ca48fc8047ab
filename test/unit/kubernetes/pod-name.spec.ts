import { expect } from 'chai';
import fc from 'fast-check';

import { isGeneratedName, podName } from '../../../src/kubernetes/pod-spec/pod-name.ts';
import type { ContainerMetadata } from '../../../src/runtime/container.ts';

const handle = '12345678-9abc-4def-8123-456789abcdef';

describe('podName', () => {
  const cases: readonly [string, ContainerMetadata, string][] = [
    [
      'a step of a build',
      { pipelineName: 'Main', jobName: 'unit', buildName: '12', type: 'task' },
      'main-unit-b12-task-12345678',
    ],
    ['a step without a build', { pipelineName: 'main', jobName: 'unit' }, 'main-unit-task-12345678'],
    [
      'a build with a dot',
      { pipelineName: 'main', jobName: 'unit', buildName: '1.1', type: 'put' },
      'main-unit-b1-1-put-12345678',
    ],
    ['a check', { type: 'check', stepName: 'my.repo' }, 'chk-my-repo-12345678'],
    ['a check without a step', { type: 'check' }, handle],
    ['a check with a step without letters', { type: 'check', stepName: '***' }, handle],
    ['a get without a job', { type: 'get', stepName: 'my repo' }, 'rt-my-repo-get-12345678'],
    ['a task without a job', { type: 'task', stepName: 'compile' }, handle],
    ['no metadata', {}, handle],
    ['a pipeline without ASCII letters', { pipelineName: '日本', jobName: 'unit' }, handle],
  ];
  for (const [what, metadata, expected] of cases) {
    it(`of ${what} is ${expected} [A2]`, () => {
      expect(podName(handle, metadata)).to.equal(expected);
    });
  }

  it('truncates long names, and keeps their suffix [A1]', () => {
    const name = podName(handle, {
      pipelineName: 'p'.repeat(80),
      jobName: `${'j'.repeat(19)}-x${'y'.repeat(60)}`,
      buildName: '7',
      type: 'task',
    });
    expect(name).to.equal(`${'p'.repeat(20)}-${'j'.repeat(19)}-b7-task-12345678`);
  });

  it('is a stable DNS label with the handle [A1]', () => {
    const word = fc.option(fc.string({ unit: 'binary', maxLength: 90 }), { nil: undefined });
    const metadata = fc.record({ type: word, stepName: word, pipelineName: word, jobName: word, buildName: word });
    fc.assert(
      fc.property(metadata, fc.uuid(), (facts, uuid) => {
        const name = podName(uuid, facts);
        expect(name).to.match(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
        expect(name).to.contain(uuid.slice(0, 8));
        expect(podName(uuid, facts)).to.equal(name);
        expect(isGeneratedName(name, uuid)).to.equal(true);
        expect(isGeneratedName(name, handle)).to.equal(uuid.slice(0, 8) === handle.slice(0, 8));
      }),
    );
  });

  it('differs for handles with different suffixes, whatever the metadata', () => {
    const word = fc.constantFrom(undefined, '', 'a', 'A', 'check', 'get', '12345678-9abc', '日本', 'x'.repeat(70));
    const metadata = fc.record({ type: word, stepName: word, pipelineName: word, jobName: word, buildName: word });
    const named = fc.tuple(fc.uuid(), metadata);
    fc.assert(
      fc.property(named, named, ([uuid, facts], [otherUuid, otherFacts]) => {
        fc.pre(uuid.slice(0, 8) !== otherUuid.slice(0, 8));
        expect(podName(uuid, facts)).to.not.equal(podName(otherUuid, otherFacts));
      }),
    );
  });

  it('is a distinct DNS label for each unusual handle', () => {
    const handles = ['A', 'a', 'a_b', 'a-b', 'ü', '', 'x'.repeat(100), 'x'.repeat(101)];
    const names = handles.map((odd) => podName(odd));
    for (const name of names) expect(name).to.match(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
    expect(new Set(names).size).to.equal(names.length);
    const readable = handles.map((odd) => podName(odd, { pipelineName: 'p', jobName: 'j' }));
    expect(new Set(readable).size).to.equal(readable.length);
  });
});
