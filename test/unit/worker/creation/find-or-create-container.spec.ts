import { expect } from 'chai';
import sinon from 'sinon';

import { InvalidSpecError } from '../../../../src/errors/caller.ts';
import { HermeticNotEnforcedError } from '../../../../src/errors/hermetic.ts';
import { OwnerFinishedError } from '../../../../src/errors/owner.ts';
import { PodDeletedError, PodEvictedError } from '../../../../src/errors/pod.ts';
import {
  ContainerDisappearedError,
  IllegalTransitionError,
  LeaseLostError,
} from '../../../../src/errors/repository.ts';
import { Collector } from '../../../contract/worker/setup.ts';
import { artifact, away, CreationRig, found } from '../../../support/creation/creation-rig.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle } from '../../../support/virtual-clock.ts';

describe('findOrCreateContainer', () => {
  let rig: CreationRig;
  let containers: CreationRig['containers'];
  let launcher: CreationRig['launcher'];
  let pods: CreationRig['pods'];
  let takeFrom: CreationRig['takeFrom'];
  let images: CreationRig['images'];
  let hermetic: CreationRig['hermetic'];
  let clock: CreationRig['clock'];
  let findOrCreate: CreationRig['findOrCreate'];

  beforeEach(() => {
    rig = new CreationRig();
    ({ containers, launcher, pods, takeFrom, images, hermetic, clock, findOrCreate } = rig);
  });

  context('when the container is hermetic', () => {
    const refusal = new HermeticNotEnforcedError({ namespace: 'ci', reason: 'policy-not-enforced', detail: 'open' });

    beforeEach(() => {
      rig.isHermetic = true;
      containers.findOrInsert.resolves(found('creating', true));
    });

    it('prepares its isolation before the pod exists, and proves it before any input arrives', async () => {
      await findOrCreate();
      sinon.assert.callOrder(
        hermetic.prepare,
        launcher.launch,
        pods.whenAgentAnswers,
        pods.fence,
        hermetic.requireSealed,
        takeFrom,
        containers.markCreated,
      );
      sinon.assert.calledOnceWithMatch(hermetic.requireSealed, { handle: 'c-1', podName: 'pod-1' }, 'ground');
      sinon.assert.calledWithMatch(launcher.launch, { hermetic: true });
    });

    it('proves it also for the pod of an earlier holder', async () => {
      containers.findOrInsert.resolves(found('creating', true, 'uid-1'));
      await findOrCreate();
      sinon.assert.callOrder(hermetic.prepare, hermetic.requireSealed, takeFrom);
    });

    it('fails the container without a pod if its isolation cannot be prepared', async () => {
      hermetic.prepare.rejects(refusal);
      expect(await rejection(findOrCreate())).to.equal(refusal);
      sinon.assert.notCalled(launcher.launch);
      sinon.assert.calledOnce(containers.markFailed);
    });

    it('fails the container without an input if its isolation is not proven', async () => {
      hermetic.requireSealed.rejects(refusal);
      expect(await rejection(findOrCreate())).to.equal(refusal);
      sinon.assert.notCalled(takeFrom);
      sinon.assert.notCalled(containers.markCreated);
      sinon.assert.calledOnce(containers.markFailed);
    });
  });

  it('does nothing for the isolation of other containers', async () => {
    containers.findOrInsert.resolves(found('creating', true));
    await findOrCreate();
    sinon.assert.notCalled(hermetic.prepare);
    sinon.assert.notCalled(hermetic.requireSealed);
  });

  context('when the owner has no container', () => {
    it('records the pod before its first use, and marks the container created last', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      const { container, created } = await findOrCreate();
      expect([container.handle, container.state, created]).to.deep.equal(['c-1', 'created', true]);
      sinon.assert.callOrder(
        launcher.launch,
        containers.recordPod,
        pods.whenAgentAnswers,
        pods.fence,
        takeFrom,
        containers.markCreated,
      );
      sinon.assert.calledOnceWithMatch(containers.recordPod, 'c-1', 'id-1', 'uid-1');
      sinon.assert.calledOnceWithMatch(containers.markCreated, 'c-1', 'id-1');
    });

    it('marks the container failed if its pod fails, and rejects with that error', async () => {
      const failure = new PodDeletedError({ namespace: 'ci', podName: 'pod-1' });
      containers.findOrInsert.resolves(found('creating', true));
      pods.whenAgentAnswers.rejects(failure);
      expect(await rejection(findOrCreate())).to.equal(failure);
      sinon.assert.calledOnceWithMatch(containers.markFailed, 'c-1', 'id-1');
    });

    it('rejects with the diagnosed error, read before the container is marked failed, and writes it to stderr', async () => {
      const facts = { namespace: 'ci', podName: 'pod-1' };
      const failure = new PodDeletedError({ ...facts, diagnostics: 'pod ci/pod-1:\n  node: n' });
      containers.findOrInsert.resolves(found('creating', true));
      pods.whenAgentAnswers.rejects(new PodDeletedError(facts));
      pods.diagnose.resolves(failure);
      const stderr = new Collector();
      rig.stderr = stderr;
      expect(await rejection(findOrCreate())).to.equal(failure);
      sinon.assert.callOrder(pods.diagnose, containers.markFailed);
      expect(stderr.text).to.equal('\npod ci/pod-1:\n  node: n\n');
    });

    it('neither diagnoses nor writes an error that is not about a pod', async () => {
      const failure = new InvalidSpecError('image', 'is not permitted');
      containers.findOrInsert.resolves(found('creating', true));
      launcher.launch.rejects(failure);
      const stderr = new Collector();
      rig.stderr = stderr;
      expect(await rejection(findOrCreate())).to.equal(failure);
      sinon.assert.notCalled(pods.diagnose);
      expect(stderr.text).to.equal('');
    });

    it('marks the container failed if its owner finishes for good during the creation', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.markCreated.rejects(new OwnerFinishedError({ kind: 'k', key: '1' }, 'w'));
      expect(await rejection(findOrCreate())).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
      sinon.assert.calledOnceWithMatch(containers.markFailed, 'c-1', 'id-1');
    });

    it('resolves the images once, before the row is inserted, and launches the pod with them', async () => {
      containers.findOrInsert.callsFake(async (_worker, _owner, _lease, make) => {
        await make();
        sinon.assert.calledOnceWithMatch(images.resolve, 'main', { image: 'busybox:1', sidecars: [] });
        return found('creating', true);
      });
      await findOrCreate();
      sinon.assert.calledOnce(images.resolve);
      sinon.assert.calledOnceWithMatch(launcher.launch, { image: 'mirror/busybox:1', requestedImages: {} });
    });

    it("inserts the pod's chosen name, otherwise a generated one, and observes the pod by its uid", async () => {
      const inserted: string[] = [];
      containers.findOrInsert.callsFake(async (_worker, _owner, _lease, make) => {
        inserted.push((await make()).podName);
        return found('creating', true);
      });
      await findOrCreate();
      rig.chosenName = 'chosen';
      await findOrCreate();
      expect(inserted).to.deep.equal(['pod-1', 'chosen']);
      sinon.assert.alwaysCalledWithMatch(pods.whenAgentAnswers, { podUid: 'uid-1' });
    });

    it('inserts no row if the images are refused [A5]', async () => {
      const refusal = new InvalidSpecError('image', 'not permitted');
      images.resolve.rejects(refusal);
      let isInserted = false;
      containers.findOrInsert.callsFake(async (_worker, _owner, _lease, make) => {
        await make();
        isInserted = true;
        return found('creating', true);
      });
      expect(await rejection(findOrCreate())).to.equal(refusal);
      expect(isInserted).to.equal(false);
    });

    it('fences the pod and fills the inputs with the generation of its lease', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      await findOrCreate();
      sinon.assert.calledOnceWithMatch(pods.fence, { podName: 'pod-1' }, 7);
      sinon.assert.calledOnceWithMatch(takeFrom, artifact, { lease: { holder: 'id-1', generation: 7 } });
    });
  });

  context('when the owner has a container', () => {
    it('returns it without resolving its images, which the policy may refuse by now [A13]', async () => {
      containers.findOrInsert.resolves(found('created', false, 'uid-1'));
      images.resolve.rejects(new InvalidSpecError('image', 'not permitted'));
      expect((await findOrCreate()).container).to.include({ handle: 'c-1', state: 'created' });
      sinon.assert.notCalled(images.resolve);
    });
  });

  context('when an earlier holder launched the pod', () => {
    it('has created the container if it completes it [A13]', async () => {
      containers.findOrInsert.resolves(found('creating', true, 'uid-0'));
      expect(await findOrCreate()).to.deep.include({ created: true });
      sinon.assert.notCalled(launcher.launch);
    });

    it('never launches another pod, which would lack the inputs of the first [A23]', async () => {
      containers.findOrInsert.resolves(found('creating', true, 'uid-0'));
      pods.requireAlive.rejects(new PodDeletedError({ namespace: 'ci', podName: 'pod-1' }));
      expect(await rejection(findOrCreate())).to.include({ code: 'KW_ERR_POD_DELETED' });
      sinon.assert.notCalled(launcher.launch);
      sinon.assert.calledOnceWithMatch(pods.requireAlive, 'pod-1', { uid: 'uid-0' });
      sinon.assert.calledOnce(containers.markFailed);
    });
  });

  it('rejects with the loss of the pod of a created container as the cause, and its diagnostics on stderr [A24]', async () => {
    const facts = { namespace: 'ci', podName: 'pod-1', reason: 'Evicted' };
    containers.findOrInsert.resolves(found('created', false, 'uid-0'));
    pods.findLoss.resolves(new PodEvictedError(facts));
    pods.diagnose.resolves(new PodEvictedError({ ...facts, diagnostics: 'its node has no memory' }));
    rig.stderr = new Collector();
    const error = await rejection(findOrCreate());
    expect(error).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: 'c-1', workerName: 'w' });
    expect(error.cause).to.include({ code: 'KW_ERR_POD_EVICTED', diagnostics: 'its node has no memory' });
    expect(rig.stderr.text).to.equal('\nits node has no memory\n');
    sinon.assert.calledOnceWithMatch(pods.findLoss, 'pod-1', { uid: 'uid-0' });
    sinon.assert.notCalled(launcher.launch);
  });

  context('when the pod cannot be recorded', () => {
    it('deletes a pod if its row no longer exists [A44]', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.recordPod.rejects(new ContainerDisappearedError('c-1', 'w'));
      expect(await rejection(findOrCreate())).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED' });
      sinon.assert.calledOnceWithExactly(launcher.discard, 'pod-1', 'uid-1');
    });

    it('keeps a pod if its row still refers to it [A44]', async () => {
      containers.findOrInsert.onFirstCall().resolves(found('creating', true)).resolves(found('created', false));
      containers.recordPod.rejects(new LeaseLostError('c-1'));
      containers.lookup.resolves(found('creating', false).container);
      const creating = findOrCreate();
      await settle();
      await clock.advance(200);
      await creating;
      sinon.assert.notCalled(launcher.discard);
    });

    for (const [what, row] of [
      [
        'is being deleted, because the reaper may have checked for the pod before',
        found('destroying', false).container,
      ],
      ['has another pod', found('created', false, 'uid-2').container],
    ] as const) {
      it(`deletes a pod if its row ${what} [A44]`, async () => {
        containers.findOrInsert
          .onFirstCall()
          .resolves(found('creating', true))
          .resolves(found('created', false, 'uid-2'));
        containers.recordPod.rejects(new IllegalTransitionError('container c-1', row.state, 'creating'));
        containers.lookup.resolves(row);
        const creating = findOrCreate().catch(() => undefined);
        await settle();
        await clock.advance(200);
        await creating;
        sinon.assert.calledOnceWithExactly(launcher.discard, 'pod-1', 'uid-1');
      });
    }
  });

  context('when the database is away for a while', () => {
    for (const [what, fail] of [
      ['the row is looked for', () => containers.findOrInsert.onFirstCall().rejects(away())],
      ['the pod is recorded', () => containers.recordPod.onFirstCall().rejects(away())],
      ['the container is marked created', () => containers.markCreated.onFirstCall().rejects(away())],
    ] as const) {
      it(`continues after an outage when ${what} [A14] [A15]`, async () => {
        containers.findOrInsert.resolves(found('creating', true));
        fail();
        const creating = findOrCreate();
        await settle();
        await clock.advance(200);
        expect((await creating).container).to.include({ state: 'created' });
        sinon.assert.notCalled(containers.markFailed);
        sinon.assert.calledOnce(launcher.launch);
      });
    }

    it('marks a failed container as failed after the outage', async () => {
      const failure = new PodDeletedError({ namespace: 'ci', podName: 'pod-1' });
      containers.findOrInsert.resolves(found('creating', true));
      pods.whenAgentAnswers.rejects(failure);
      containers.markFailed.onFirstCall().rejects(away());
      const creating = rejection(findOrCreate());
      await settle();
      await clock.advance(200);
      expect(await creating).to.equal(failure);
      sinon.assert.calledTwice(containers.markFailed);
    });

    it('rejects after the reconnect time-out, releases the lease and does not change the container [A14] [A15]', async () => {
      containers.findOrInsert.resolves(found('creating', true));
      containers.markCreated.rejects(away());
      const creating = rejection(findOrCreate());
      await clock.advance(310_000);
      expect(await creating).to.include({ code: 'KW_ERR_REPOSITORY_UNAVAILABLE', retryable: true });
      sinon.assert.notCalled(containers.markFailed);
      sinon.assert.calledOnceWithMatch(containers.releaseLease, 'c-1', 'id-1');
    });

    it('does not change a container that cannot be completed before the lease expires by the local clock [A14]', async () => {
      containers.findOrInsert
        .onFirstCall()
        .resolves(found('creating', true))
        .resolves(found('created', false, 'uid-1'));
      containers.lookup.resolves(found('creating', false).container);
      containers.renewLease.rejects(away());
      containers.markCreated.rejects(away());
      const creating = findOrCreate();
      await clock.advance(59_000);
      sinon.assert.calledOnce(containers.findOrInsert);
      await clock.advance(2_000);
      expect((await creating).container).to.include({ state: 'created' });
      sinon.assert.notCalled(containers.markFailed);
    });
  });
});
