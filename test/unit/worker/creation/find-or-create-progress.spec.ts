import { expect } from 'chai';
import sinon from 'sinon';

import { PodDeletedError } from '../../../../src/errors/pod.ts';
import { LeaseLostError } from '../../../../src/errors/repository.ts';
import type { Pod } from '../../../../src/kubernetes/cluster.ts';
import type { LaunchOptions } from '../../../../src/pods/pod-launcher.ts';
import type { TakeOptions } from '../../../../src/worker/volumes/volume-content.ts';
import { Collector } from '../../../contract/worker/setup.ts';
import { CreationRig, found, input } from '../../../support/creation/creation-rig.ts';
import { rejection } from '../../../support/rejection.ts';

describe('findOrCreateContainer', () => {
  let rig: CreationRig;
  let containers: CreationRig['containers'];
  let launcher: CreationRig['launcher'];
  let pods: CreationRig['pods'];
  let takeFrom: CreationRig['takeFrom'];
  let delegate: CreationRig['delegate'];
  let clock: CreationRig['clock'];
  let findOrCreate: CreationRig['findOrCreate'];

  beforeEach(() => {
    rig = new CreationRig();
    ({ containers, launcher, pods, takeFrom, delegate, clock, findOrCreate } = rig);
  });

  describe('its progress', () => {
    const node = { podName: 'pod-1', nodeName: 'node-1' };
    const running: Pod = {
      spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'busybox:1' }] },
      status: {},
    };
    const events = () => delegate.progress.args.map(([{ at: _at, ...event }]) => event);
    const kinds = () => events().map(({ kind }) => kind);

    beforeEach(() => {
      pods.whenAgentAnswers.callsFake(async (_pod, { observed }: { observed: (pod: Pod) => void }) =>
        observed(running),
      );
    });

    it('is reported from the creation of the pod until commands may run', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      launcher.launch.callsFake(async (_request, { waitingForQuota }: LaunchOptions) => {
        for (const message of ['few pods', 'few pods again']) waitingForQuota?.(message, 3);
        return 'uid-1';
      });
      takeFrom.callsFake(async (_artifact, { progress }: TakeOptions) => {
        await clock.sleep(1_000);
        progress?.(600);
        return { rawBytes: 1024 };
      });
      const creating = findOrCreate();
      await clock.advance(1_000);
      await creating;
      const inputFacts = { podName: 'pod-1', path: '/in', handle: 'a-1', inputNumber: 1, inputCount: 1 };
      expect(events()).to.deep.equal([
        { kind: 'creating-pod', podName: 'pod-1' },
        { kind: 'waiting-for-quota', podName: 'pod-1', message: 'few pods', queued: 3 },
        { kind: 'scheduled', ...node },
        { kind: 'pulled', podName: 'pod-1', image: 'busybox:1' },
        { kind: 'agent-ready', podName: 'pod-1' },
        { kind: 'streaming-input', ...inputFacts, receivedBytes: 0, totalBytes: undefined, isComplete: false },
        { kind: 'streaming-input', ...inputFacts, receivedBytes: 600, totalBytes: undefined, isComplete: false },
        { kind: 'streaming-input', ...inputFacts, receivedBytes: 1024, totalBytes: 1024, isComplete: true },
        { kind: 'inputs-done', podName: 'pod-1' },
        { kind: 'ready', podName: 'pod-1' },
      ]);
    });

    it('has one line on stderr for a quota without room, and one for a pod without a node', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      launcher.launch.callsFake(async (_request, { waitingForQuota }: LaunchOptions) => {
        for (const message of ['few pods', 'few pods again']) waitingForQuota?.(message, 3);
        return 'uid-1';
      });
      const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no cpu' }];
      pods.whenAgentAnswers.callsFake(async (_pod, { observed }: { observed: (pod: Pod) => void }) => {
        for (let times = 0; times < 2; times += 1) observed({ status: { conditions } });
        observed(running);
      });
      const stderr = new Collector();
      rig.stderr = stderr;
      await findOrCreate();
      expect(stderr.text.split('\n')).to.deep.equal([
        'pod pod-1 waits for room in a quota: few pods',
        'pod pod-1 waits for a node that accepts it: no cpu',
        '',
      ]);
    });

    it('is only that the container is ready, if it existed', async () => {
      containers.findOrInsert.resolves(found('created', false, 'uid-1'));
      await findOrCreate();
      expect(events()).to.deep.equal([{ kind: 'ready', podName: 'pod-1' }]);
    });

    it('leaves out what an earlier holder has done: the pod, and a complete input', async () => {
      const complete = { ...input, readyAt: new Date(0) };
      containers.findOrInsert.resolves({ ...found('creating', true, 'uid-0'), volumes: [complete] });
      await findOrCreate();
      expect(kinds()).to.deep.equal(['scheduled', 'pulled', 'agent-ready', 'inputs-done', 'ready']);
    });

    it('begins again after the lease has passed to another holder, which is then awaited', async () => {
      containers.findOrInsert.onCall(0).resolves(found('creating', true));
      containers.findOrInsert.onCall(1).resolves(found('creating', false, 'uid-1'));
      containers.findOrInsert.resolves(found('creating', true, 'uid-1'));
      containers.lookup.resolves(found('creating', false).container);
      takeFrom.onFirstCall().rejects(new LeaseLostError('v-1'));
      const creating = findOrCreate();
      await clock.advance(1_000);
      await creating;
      const start = ['scheduled', 'pulled', 'agent-ready', 'streaming-input'];
      const end = ['streaming-input', 'inputs-done', 'ready'];
      expect(kinds()).to.deep.equal(['creating-pod', ...start, 'waiting-for-another-host', ...start, ...end]);
    });

    it('ends with the call: nothing is reported after a failure', async () => {
      let late: ((pod: Pod) => void) | undefined;
      pods.whenAgentAnswers.callsFake(async (_pod, { observed }: { observed: (pod: Pod) => void }) => {
        late = observed;
        throw new PodDeletedError({ namespace: 'ci', podName: 'pod-1' });
      });
      containers.findOrInsert.resolves(found('creating', true));
      await rejection(findOrCreate());
      late?.(running);
      expect(kinds()).to.deep.equal(['creating-pod']);
    });

    for (const [what, fail] of [
      ['throws', () => void delegate.progress.throws(new Error('broken'))],
      ['returns a promise that rejects', () => void delegate.progress.rejects(new Error('broken'))],
      ['returns a promise that never settles', () => void delegate.progress.returns(new Promise(() => undefined))],
    ] as const) {
      it(`does not affect the step if the delegate ${what}`, async () => {
        fail();
        containers.findOrInsert.resolves(found('creating', true));
        expect((await findOrCreate()).container).to.include({ state: 'created' });
        expect(kinds().at(-1)).to.equal('ready');
        sinon.assert.notCalled(containers.markFailed);
      });
    }
  });
});
