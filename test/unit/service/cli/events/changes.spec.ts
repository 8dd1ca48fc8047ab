import { expect } from 'chai';

import { FakeContainer, FakeWorker } from '../../../../../fakes/index.ts';
import type { ContainerState, VolumeInfo, WorkerInfo } from '../../../../../src/index.ts';
import type { ListedContainer } from '../../../../../src/service/cli/container-list.ts';
import { changesBetween } from '../../../../../src/service/cli/events/changes.ts';
import { readSnapshot, type Snapshot } from '../../../../../src/service/cli/events/snapshot.ts';

const [first, second] = [new Date(1_000), new Date(2_000)];
const worker: WorkerInfo = {
  name: 'ci',
  state: 'running',
  activeContainers: 0,
  activeVolumes: 0,
  registeredAt: new Date(0),
};

function container(handle: string, state: ContainerState, parts: Partial<ListedContainer> = {}): ListedContainer {
  const owner = { kind: 'build-step', key: handle };
  const facts = { podName: `kw-${handle}`, podUid: undefined, metadata: {}, createdAt: new Date(0) };
  return { handle, state, owner, ...facts, ...parts };
}

function volume(handle: string, parts: Partial<VolumeInfo> = {}): VolumeInfo {
  return { handle, kind: 'output', state: 'created', store: 'pod', createdAt: new Date(0), ...parts };
}

function snapshot(parts: Partial<Snapshot> = {}): Snapshot {
  return { worker, containers: [], volumes: [], ...parts };
}

function changes(before: Snapshot | undefined, after: Snapshot): readonly string[] {
  return changesBetween(before, after).map(({ kind, subject, text }) => `${kind} ${subject} ${text}`);
}

describe('The events between two snapshots', () => {
  it('are everything as present without an earlier one', () => {
    const processes = [{ id: 'task', state: 'running' as const }];
    const after = snapshot({ containers: [container('a', 'created', { processes })], volumes: [volume('v')] });
    expect(changes(undefined, after)).to.deep.equal([
      'worker-present ci running',
      'container-present a created',
      'process-running a:task running',
      'volume-present v created',
    ]);
  });

  it('are what was added, what has another state, and what no longer exists', () => {
    const before = snapshot({
      containers: [container('a', 'creating'), container('b', 'created'), container('c', 'destroying')],
      volumes: [volume('v', { state: 'creating' }), volume('w')],
    });
    const after = snapshot({
      containers: [container('a', 'created'), container('b', 'created'), container('d', 'creating')],
      volumes: [volume('v'), volume('x')],
    });
    expect(changes(before, after)).to.deep.equal([
      'container-changed a creating -> created',
      'container-added d creating',
      'container-deleted c destroying',
      'volume-changed v creating -> created',
      'volume-added x created',
      'volume-deleted w created',
    ]);
    const [changed] = changesBetween(before, after);
    const facts = { handle: 'a', state: 'created', previousState: 'creating', podName: 'kw-a' };
    expect(changed?.facts).to.deep.include(facts).and.have.nested.property('owner.key', 'a');
  });

  it('are those of the worker: its state, its leader, and a pass of the reaper', () => {
    const before = snapshot({ worker: { ...worker, leader: 'one/1', reaperPassAt: first } });
    expect(changes(before, before)).to.deep.equal([]);
    const after = { ...worker, state: 'stalled', leader: undefined, reaperPassAt: second } as const;
    expect(changes(before, snapshot({ worker: after }))).to.deep.equal([
      'worker-changed ci running -> stalled',
      'leader-changed ci none',
      'reaper-pass ci 1970-01-01T00:00:02.000Z',
    ]);
  });

  it('are new processes and those with another state', () => {
    const of = (parts: Partial<ListedContainer>) => snapshot({ containers: [container('a', 'created', parts)] });
    const running = of({ processes: [{ id: 'task', state: 'running' }] });
    const ended = of({ processes: [{ id: 'task', state: 'ended', result: { exitStatus: 3 } }] });
    expect(changes(running, ended)).to.deep.equal(['process-ended a:task exit status 3']);
    expect(changes(of({}), running)).to.deep.equal(['process-running a:task running']);
    expect(changesBetween(running, ended)[0]?.facts).to.deep.include({
      container: 'a',
      process: 'task',
      exitStatus: 3,
    });
  });

  it('are volumes whose content is complete, and outputs that are not saved', () => {
    const before = snapshot({ volumes: [volume('a'), volume('b', { readyAt: first }), volume('c')] });
    const after = snapshot({
      volumes: [
        volume('a', { readyAt: first, digest: 'd' }),
        volume('b', { readyAt: first }),
        volume('c', { unsavedAt: second }),
      ],
    });
    expect(changes(before, after)).to.deep.equal(['volume-ready a pod', 'volume-unsaved c pod']);
  });
});

describe('A snapshot', () => {
  it('has all pages, and the processes of pods on request, also while a pod does not answer', async () => {
    const fake = new FakeWorker();
    const pod = new FakeContainer({ handle: 'a' });
    pod.describe.resolves({ podName: 'p', podUid: 'u', phase: 'Running', conditions: [], containers: [] });
    pod.listProcesses.resolves([{ id: 'task', state: 'running' }]);
    fake.info.resolves(worker);
    fake.lookupContainer.resolves(pod);
    fake.listContainers.callsFake(async ({ after } = {}) =>
      after === undefined
        ? { containers: [container('a', 'created')], next: '2' }
        : { containers: [container('b', 'creating')] },
    );
    fake.listVolumes.callsFake(async ({ after } = {}) =>
      after === undefined ? { volumes: [volume('v')], next: '2' } : { volumes: [volume('w')] },
    );
    const { signal } = new AbortController();
    const plain = await readSnapshot(fake, { processes: false, signal });
    expect(plain.containers.map(({ handle }) => handle)).to.deep.equal(['a', 'b']);
    expect(plain.volumes.map(({ handle }) => handle)).to.deep.equal(['v', 'w']);
    expect(fake.lookupContainer.callCount).to.equal(0);
    const examined = await readSnapshot(fake, { processes: true, signal });
    const processes = [{ id: 'task', state: 'running' }];
    expect(examined.containers[0]?.processes).to.deep.equal(processes);
    pod.listProcesses.rejects(new Error('no answer'));
    const unanswered = await readSnapshot(fake, { processes: true, before: examined, signal });
    expect(unanswered.containers[0]).to.deep.include({ processes, problem: 'no answer' });
    expect(changes(examined, unanswered)).to.deep.equal([]);
  });
});
