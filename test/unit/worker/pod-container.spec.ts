import { PassThrough } from 'node:stream';

import { expect } from 'chai';
import sinon from 'sinon';

import { FakeCluster } from '../../../fakes/index.ts';
import type { ContainerRecord } from '../../../src/repository/records.ts';
import { PodContainer, type PodContainerComponents } from '../../../src/worker/pod-container.ts';
import { rejection } from '../../support/rejection.ts';
import { podOf, containerRecord as record, ScriptedPod } from '../../support/scripted-pod.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('PodContainer.describe', () => {
  let cluster: FakeCluster;
  let mask: (text: string) => string | undefined;

  beforeEach(() => {
    mask = (text) => text;
    cluster = new FakeCluster({ namespace: 'ci' });
    cluster.getPod.resolves(podOf('running'));
  });

  const containerOf = (changes: Partial<ContainerRecord> = {}, podIsMissing = false): PodContainer =>
    new PodContainer({ ...record, ...changes }, { isLookedUp: true, podIsMissing }, {
      cluster,
      pods: { mask: (text: string) => mask(text) },
    } as unknown as PodContainerComponents);

  it('describes the pod with the events of its uid, also if the uid is not yet in the record', async () => {
    cluster.podEvents.resolves([{ involvedObject: {}, metadata: {}, reason: 'Started' }]);
    for (const podUid of ['uid', undefined]) {
      const { phase, events } = await containerOf({ podUid }).describe();
      expect([phase, events?.map(({ reason }) => reason)]).to.deep.equal(['Running', ['Started']]);
      expect(cluster.podEvents.lastCall.args.slice(0, 2)).to.deep.equal(['pod', 'uid']);
    }
  });

  it('has no events if they may not be read', async () => {
    cluster.podEvents.resolves(undefined);
    expect(await containerOf().describe())
      .to.include({ podName: 'pod' })
      .and.to.not.have.property('events');
  });

  const terminated = { exitCode: 1, message: 'a s3cret' };
  const withSecrets = () => {
    const status = {
      message: 'a s3cret',
      conditions: [{ type: 'Ready', status: 'False', message: 'a s3cret' }],
      initContainerStatuses: [{ ...main, name: 'init', state: { waiting: { message: 'a s3cret' } } }],
      containerStatuses: [{ ...main, state: { terminated }, lastState: { terminated } }],
    };
    const spec = { initContainers: [{ name: 'init' }], containers: [{ name: 'main' }] };
    cluster.getPod.resolves({ ...podOf('running', { status }), spec });
    cluster.podEvents.resolves([{ involvedObject: {}, metadata: {}, message: 'a s3cret' }]);
  };
  const main = { name: 'main', image: 'i', imageID: '', ready: false, restartCount: 1 };

  it('masks all messages', async () => {
    withSecrets();
    mask = (text) => text.replace('s3cret', '***');
    const described = JSON.stringify(await containerOf().describe());
    expect(described).to.not.include('s3cret');
    expect(described.split('a ***')).to.have.lengthOf(7);
  });

  it('leaves out messages that cannot be masked', async () => {
    withSecrets();
    mask = () => undefined;
    const { message, events, ...described } = await containerOf().describe();
    expect(message).to.equal(undefined);
    expect(events?.map((event) => event.message)).to.deep.equal(['']);
    expect(JSON.stringify(described)).to.not.include('message');
  });

  it('rejects with CONTAINER_DISAPPEARED if the pod no longer exists, or if another pod has its name', async () => {
    const disappeared = { code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: 'box', workerName: 'worker' };
    expect(await rejection(containerOf({ podUid: 'another' }).describe())).to.include(disappeared);
    expect(await rejection(containerOf({}, true).describe())).to.include(disappeared);
    expect(cluster.getPod.callCount).to.equal(1);
    cluster.getPod.resolves(undefined);
    expect(await rejection(containerOf().describe())).to.include(disappeared);
    expect(cluster.podEvents.callCount).to.equal(0);
  });
});

describe('PodContainer.mounts', () => {
  const containerOf = (row: ContainerRecord | undefined): PodContainer =>
    new PodContainer(record, { isLookedUp: true, podIsMissing: false }, {
      containers: { lookup: async () => row },
      mounts: async () => [],
    } as unknown as PodContainerComponents);

  it('is empty for a container without volumes', async () => {
    expect(await containerOf(record).mounts()).to.deep.equal([]);
  });

  it('rejects with CONTAINER_DISAPPEARED if the row no longer exists', async () => {
    const disappeared = { code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: 'box' };
    expect(await rejection(containerOf(undefined).mounts())).to.include(disappeared);
  });
});

describe('PodContainer.run of a started id', () => {
  const spec = { id: 'x', path: 'make' };
  let pod: ScriptedPod;
  let container: PodContainer;
  let endHijack: sinon.SinonSpy;

  beforeEach(() => {
    pod = new ScriptedPod();
    endHijack = sinon.fake.resolves(undefined);
    const containers = { ...pod.components.containers, recordHijack: async () => {}, endHijack };
    container = pod.container({ containers });
  });

  afterEach(async () => {
    await pod.close();
  });

  /** Answers the start with the digest that it has sent, or with another one. Returns the former. */
  async function answered(specDigest?: (sent: string) => string | undefined): Promise<string> {
    const { agent, open } = await pod.setup.opened('start');
    const sent = String(open['specDigest']);
    agent.json('RESULT', { started: false, process: 'x', specDigest: specDigest?.(sent) });
    return sent;
  }
  const other = 'a'.repeat(64);

  it('rejects if the agent has another digest, and leaves the mark of a hijack alone', async () => {
    for (const hijack of [false, true]) {
      const running = rejection(container.run({ ...spec, hijack }, {}));
      await answered(() => other);
      expect(await running).to.include({ code: 'KW_ERR_PROCESS_SPEC_CHANGED', processId: 'x', handle: 'box' });
    }
    expect(endHijack.callCount).to.equal(0);
  });

  for (const [reason, digest, onSpecChange] of [
    ['the digest is the same', (sent: string) => sent, 'reject'],
    ['the agent has none', () => undefined, 'reject'],
    ['the caller keeps the process', () => other, 'keep'],
  ] as const) {
    it(`attaches if ${reason}`, async () => {
      const running = container.run(spec, {}, { onSpecChange });
      await answered(digest);
      expect((await running).startedByCall).to.equal(false);
    });
  }

  it('reports the failure of a stream of the host that failed before the start was answered', async () => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const running = container.run(spec, { stdin, stdout, stderr });
    for (const stream of [stdin, stdout, stderr]) stream.destroy(new Error('broken'));
    // An error without a listener would end the program here.
    await settle();
    await answered((sent) => sent);
    expect((await running).id).to.equal('x');
  });

  it('compares with the stored result when its pod no longer exists', async () => {
    const running = container.run(spec, {});
    const sent = await answered();
    await running;
    const gone = pod.container({ podIsMissing: true });
    const result = { exitStatus: 3, signal: undefined, oomKills: 0 };
    pod.stored.set('x', { ...result, specDigest: other });
    expect((await rejection(gone.run(spec, {}))).code).to.equal('KW_ERR_PROCESS_SPEC_CHANGED');
    expect((await gone.run(spec, {}, { onSpecChange: 'keep' })).id).to.equal('x');
    expect((await gone.attach('x', {})).id).to.equal('x');
    for (const specDigest of [sent, undefined]) {
      pod.stored.set('x', { ...result, specDigest });
      expect((await gone.run(spec, {})).id).to.equal('x');
    }
  });
});
