import { expect } from 'chai';

import { LeaseLostError } from '../../../../src/errors/repository.ts';
import { away, CreationRig, found } from '../../../support/creation/creation-rig.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle } from '../../../support/virtual-clock.ts';

describe('the events of findOrCreateContainer', () => {
  const facts = { handle: 'c-1', podName: 'pod-1', owner: { kind: 'k', key: '1' } };
  const first = (state: 'creating' | 'created', leased: boolean) => ({ ...found(state, leased), generation: 1 });
  let rig: CreationRig;

  beforeEach(() => {
    rig = new CreationRig();
  });

  const events = (): unknown[] => rig.emit.args.flat();

  it('are the creation alone for the first holder', async () => {
    rig.containers.findOrInsert.resolves(first('creating', true));
    rig.containers.markCreated.resolves(1);
    await rig.findOrCreate();
    expect(events()).to.deep.equal([{ kind: 'container-created', ...facts }]);
  });

  it('begin with the takeover for a later holder', async () => {
    rig.containers.findOrInsert.resolves(found('creating', true));
    await rig.findOrCreate();
    expect(events()).to.deep.equal([
      { kind: 'container-taken-over', ...facts },
      { kind: 'container-created', ...facts },
    ]);
  });

  it('are none for a container that exists', async () => {
    rig.containers.findOrInsert.resolves(first('created', false));
    await rig.findOrCreate();
    expect(events()).to.deep.equal([]);
  });

  it('are the loss of the lease, and no creation, if another holder completes it', async () => {
    rig.containers.findOrInsert.onFirstCall().resolves(first('creating', true)).resolves(first('created', false));
    rig.containers.lookup.resolves(found('creating', false).container);
    rig.takeFrom.onFirstCall().rejects(new LeaseLostError('v-1'));
    const creating = rig.findOrCreate();
    await settle();
    await rig.clock.advance(200);
    await creating;
    expect(events()).to.deep.equal([{ kind: 'lease-lost', ...facts }]);
  });

  it('are no creation if a late statement finds that the next holder has completed it', async () => {
    rig.containers.findOrInsert.resolves(first('creating', true));
    rig.containers.markCreated.resolves(8);
    await rig.findOrCreate();
    expect(events()).to.deep.equal([]);
  });

  it('are the failure with its code, once the row has it', async () => {
    rig.containers.findOrInsert.resolves(first('creating', true));
    rig.containers.markFailed.onFirstCall().rejects(away());
    rig.launcher.launch.rejects(new TypeError('not of the library'));
    const creating = rejection(rig.findOrCreate());
    await settle();
    expect(events()).to.deep.equal([]);
    await rig.clock.advance(60_000);
    await creating;
    expect(events()).to.deep.equal([{ kind: 'container-failed', ...facts, code: undefined }]);
  });
});
