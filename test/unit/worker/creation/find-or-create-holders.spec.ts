import { expect } from 'chai';
import sinon from 'sinon';

import {
  ContainerDisappearedError,
  IllegalTransitionError,
  LeaseLostError,
} from '../../../../src/errors/repository.ts';
import { away, CreationRig, found, never } from '../../../support/creation/creation-rig.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle } from '../../../support/virtual-clock.ts';

/** As that of the rig. */
const leaseMs = 60_000;

describe('findOrCreateContainer', () => {
  let containers: CreationRig['containers'];
  let launcher: CreationRig['launcher'];
  let pods: CreationRig['pods'];
  let takeFrom: CreationRig['takeFrom'];
  let delegate: CreationRig['delegate'];
  let clock: CreationRig['clock'];
  let findOrCreate: CreationRig['findOrCreate'];

  beforeEach(() => {
    ({ containers, launcher, pods, takeFrom, delegate, clock, findOrCreate } = new CreationRig());
  });

  context('when the lease passes to another holder', () => {
    for (const [what, stale] of [
      ['its pod is recorded', () => containers.recordPod.onFirstCall().rejects(new LeaseLostError('c-1'))],
      [
        'its pod is recorded, after the other holder has created it',
        () =>
          containers.recordPod
            .onFirstCall()
            .rejects(new IllegalTransitionError('container c-1', 'created', 'creating')),
      ],
      ['the pod is fenced', () => pods.fence.onFirstCall().rejects(new LeaseLostError('c-1'))],
      ['an input is streamed', () => takeFrom.onFirstCall().rejects(new LeaseLostError('v-1'))],
      ['it is marked created', () => containers.markCreated.onFirstCall().rejects(new LeaseLostError('c-1'))],
    ] as const) {
      it(`finds the container again without marking it failed, if the loss appears when ${what}`, async () => {
        containers.findOrInsert
          .onFirstCall()
          .resolves(found('creating', true))
          .resolves(found('created', false, 'uid-1'));
        containers.lookup.resolves(found('creating', false).container);
        stale();
        const creating = findOrCreate();
        await settle();
        await clock.advance(200);
        expect((await creating).container).to.include({ state: 'created' });
        sinon.assert.notCalled(containers.markFailed);
      });
    }

    it('has not created the container if a late statement finds that the next holder has', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.markCreated.resolves(8);
      expect(await findOrCreate()).to.deep.include({ created: false });
    });

    it('requests the lease as a new holder, so that late statements of the previous holder are rejected', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.lookup.resolves(found('creating', false).container);
      takeFrom.onFirstCall().rejects(new LeaseLostError('v-1'));
      const creating = findOrCreate();
      await settle();
      await clock.advance(200);
      await creating;
      const holders = containers.findOrInsert.args.map(([, , lease]) => lease.holder);
      expect(holders[0]).to.equal('id-1');
      expect(new Set(holders)).to.have.property('size', 2);
    });
  });

  context('when its own lease has lapsed', () => {
    /** Suspends the host for this long in the middle of an input, and lets the reaper delete the row. */
    const suspended = async (ms: number, row: ReturnType<typeof found>['container'] | undefined) => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.renewLease.rejects(away());
      containers.lookup.resolves(row);
      takeFrom.callsFake((_artifact: unknown, options: { signal: AbortSignal }) => never(options.signal));
      const creating = rejection(findOrCreate());
      await settle();
      clock.jump(ms);
      await clock.advance(200);
      return await creating;
    };

    for (const [what, row] of [
      ['is being deleted', found('destroying', false).container],
      ['has been deleted', undefined],
    ] as const) {
      it(`rejects with a retryable error if it lapsed twice and the container ${what}`, async () => {
        expect(await suspended(2 * leaseMs + 1, row)).to.include({
          code: 'KW_ERR_CREATION_LAPSED',
          retryable: true,
          handle: 'c-1',
          workerName: 'w',
        });
        sinon.assert.calledOnce(containers.findOrInsert);
      });
    }

    it('rejects as for a finished owner if the reaper cannot have deleted the container yet', async () => {
      expect(await suspended(2 * leaseMs, undefined)).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED' });
    });

    it('rejects as for a finished owner if the lease was renewed in time', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.renewLease.onCall(8).resolves(false).resolves(true);
      takeFrom.callsFake((_artifact: unknown, options: { signal: AbortSignal }) => never(options.signal));
      const creating = rejection(findOrCreate());
      await settle();
      await clock.advance(3 * leaseMs + 300);
      expect(await creating).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED' });
    });

    it('rejects with a retryable error if a statement finds no row before the lapse is noticed', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.renewLease.callsFake(async () => await new Promise(() => {}));
      containers.markCreated.callsFake(async () => {
        clock.jump(2 * leaseMs + 1);
        throw new ContainerDisappearedError('c-1', 'w');
      });
      expect(await rejection(findOrCreate())).to.include({ code: 'KW_ERR_CREATION_LAPSED' });
    });
  });

  context('when another holder creates the container', () => {
    it('waits for the other holder', async () => {
      containers.findOrInsert
        .onFirstCall()
        .resolves(found('creating', false))
        .onSecondCall()
        .resolves(found('created', false, 'uid-1'));
      containers.lookup.resolves(found('creating', false).container);
      const creating = findOrCreate();
      await settle();
      await clock.advance(200);
      const { container, created } = await creating;
      expect([container.handle, created]).to.deep.equal(['c-1', false]);
      sinon.assert.notCalled(launcher.launch);
    });

    it('notifies the delegate once', async () => {
      containers.findOrInsert.resolves(found('creating', false));
      containers.findOrInsert.onCall(3).resolves(found('created', false, 'uid-1'));
      containers.lookup.resolves(found('creating', false).container);
      const creating = findOrCreate();
      await clock.advance(1_000);
      await creating;
      expect(delegate.progress.args.map(([{ kind, podName }]) => [kind, podName])).to.deep.equal([
        ['waiting-for-another-host', 'pod-1'],
        ['ready', 'pod-1'],
      ]);
    });

    for (const state of ['destroying', 'kept'] as const)
      it(`creates no container for an owner that has finished in the meantime, and whose container is ${state}`, async () => {
        containers.findOrInsert.resolves(found('creating', false));
        containers.lookup.resolves(found(state, false).container);
        const creating = rejection(findOrCreate());
        await settle();
        await clock.advance(200);
        expect(await creating).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED' });
        sinon.assert.calledOnce(containers.findOrInsert);
      });

    it('rejects with the reason of the signal', async () => {
      containers.findOrInsert.resolves(found('creating', false));
      const abort = new AbortController();
      const reason = new Error('enough');
      const creating = rejection(findOrCreate({ signal: abort.signal }));
      await settle();
      abort.abort(reason);
      expect(await creating).to.equal(reason);
    });
  });

  context('when the caller aborts', () => {
    const holding = async (signal: AbortSignal) => {
      containers.findOrInsert.resolves(found('creating', true));
      takeFrom.callsFake((_artifact: unknown, options: { signal: AbortSignal }) => never(options.signal));
      const creating = rejection(findOrCreate({ signal }));
      await settle();
      return creating;
    };

    it('releases the lease after the work has stopped, and then rejects with the reason of the signal', async () => {
      const abort = new AbortController();
      const reason = new Error('enough');
      const creating = holding(abort.signal);
      await settle();
      abort.abort(reason);
      expect(await creating).to.equal(reason);
      sinon.assert.calledOnceWithMatch(containers.releaseLease, 'c-1', 'id-1');
      sinon.assert.notCalled(containers.markFailed);
    });

    it('releases a lease that it receives only after the abort', async () => {
      const answer = Promise.withResolvers<ReturnType<typeof found>>();
      containers.findOrInsert.returns(answer.promise);
      const abort = new AbortController();
      const creating = rejection(findOrCreate({ signal: abort.signal }));
      await settle();
      abort.abort(new Error('enough'));
      await settle();
      answer.resolve(found('creating', true));
      expect(await creating).to.include({ message: 'enough' });
      sinon.assert.calledOnceWithMatch(containers.releaseLease, 'c-1', 'id-1');
    });

    it('stops waiting for a database that does not respond', async () => {
      const abort = new AbortController();
      containers.releaseLease.callsFake((_handle, _holder, options) => never(options?.signal));
      const creating = holding(abort.signal);
      await settle();
      abort.abort(new Error('enough'));
      await clock.advance(2_000);
      expect(await creating).to.include({ message: 'enough' });
    });
  });
});
