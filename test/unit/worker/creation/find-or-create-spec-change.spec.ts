import { expect } from 'chai';
import sinon from 'sinon';

import { CreationRig, found } from '../../../support/creation/creation-rig.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle } from '../../../support/virtual-clock.ts';

describe('findOrCreateContainer', () => {
  let rig: CreationRig;
  let containers: CreationRig['containers'];
  let launcher: CreationRig['launcher'];
  let clock: CreationRig['clock'];
  let findOrCreate: CreationRig['findOrCreate'];

  beforeEach(() => {
    rig = new CreationRig();
    ({ containers, launcher, clock, findOrCreate } = rig);
  });

  context('when the container has another specification', () => {
    for (const state of ['creating', 'created'] as const) {
      it(`rejects if it is ${state}, and changes nothing`, async () => {
        containers.findOrInsert.resolves(found(state, false, 'uid-1', 'other'));
        expect(await rejection(findOrCreate())).to.deep.include({
          code: 'KW_ERR_SPEC_CHANGED',
          handle: 'c-1',
          owner: { kind: 'k', key: '1' },
        });
        sinon.assert.calledOnceWithMatch(containers.findOrInsert, 'w', sinon.match.any, sinon.match.any);
        expect(containers.findOrInsert.args[0]?.[4]).to.deep.equal({ specDigest: 'mine' });
        for (const change of [containers.markFailed, containers.releaseLease]) sinon.assert.notCalled(change);
      });
    }

    it('returns the existing container if the caller keeps it', async () => {
      rig.onSpecChange = 'keep';
      containers.findOrInsert.resolves(found('created', false, 'uid-1', 'other'));
      const { container, created } = await findOrCreate();
      expect([container.handle, created]).to.deep.equal(['c-1', false]);
    });

    it('waits for the host that creates it if the caller keeps it', async () => {
      rig.onSpecChange = 'keep';
      containers.findOrInsert
        .onFirstCall()
        .resolves(found('creating', false, undefined, 'other'))
        .resolves(found('created', false, 'uid-1', 'other'));
      containers.lookup.resolves(found('creating', false).container);
      const creating = findOrCreate();
      await settle();
      await clock.advance(200);
      expect((await creating).created).to.equal(false);
      sinon.assert.notCalled(containers.markFailed);
    });

    it('does not complete a half-created one that the caller keeps, and creates its own', async () => {
      rig.onSpecChange = 'keep';
      containers.findOrInsert
        .onFirstCall()
        .resolves(found('creating', true, 'uid-1', 'other'))
        .resolves(found('creating', true, undefined, 'mine'));
      const { created } = await findOrCreate();
      expect(created).to.equal(true);
      sinon.assert.callOrder(containers.findOrInsert, containers.markFailed, containers.findOrInsert, launcher.launch);
      sinon.assert.calledOnceWithMatch(containers.markFailed, 'c-1', 'id-1');
    });

    it('is completed if its row has no digest', async () => {
      containers.findOrInsert.resolves(found('creating', true, 'uid-1'));
      expect((await findOrCreate()).created).to.equal(true);
    });
  });
});
