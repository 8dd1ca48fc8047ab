import { expect } from 'chai';
import sinon from 'sinon';

import * as fakes from '../../../fakes/index.ts';
import { FakeCluster, FakeContainer, FakeProcess, FakeWorker, UnstubbedCallError } from '../../../fakes/index.ts';
import type { Container, Worker } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';

describe('a fake', () => {
  it('exists for every contract and port', () => {
    expect(Object.keys(fakes).filter((name) => name.startsWith('Fake'))).to.include.members([
      'FakeWorker',
      'FakeContainer',
      'FakeProcess',
      'FakeVolume',
      'FakeArtifact',
      'FakeArchiveStore',
      'FakeArtifactStore',
      'FakeCacheRepository',
      'FakeContainerRepository',
      'FakeVolumeRepository',
      'FakeWorkerRepository',
      'FakeWorkerStates',
      'FakeCluster',
      'FakeClock',
      'FakeLogger',
      'FakeStepDelegate',
    ]);
  });

  it('conforms to its contract', () => {
    const worker: Worker = new FakeWorker();
    const container: Container = new FakeContainer();
    expect([worker.name, container.handle]).to.deep.equal(['', '']);
  });

  it('accepts its fields in the constructor, and allows changes of them', () => {
    const container = new FakeContainer({ handle: 'c-1' });
    container.podName = 'kw-1';
    expect([container.handle, container.podName]).to.deep.equal(['c-1', 'kw-1']);
  });

  it('shares no state with another instance of its class', async () => {
    const [one, other] = [new FakeWorker(), new FakeWorker()];
    one.lookupContainer.resolves(new FakeContainer());
    await one.lookupContainer('c-1');
    expect(other.lookupContainer.callCount).to.equal(0);
    expect(await other.lookupContainer('c-1')).to.equal(undefined);
  });

  context('without a stubbed result', () => {
    it('returns the zero value if the result has one', async () => {
      const container = new FakeContainer();
      expect(await container.properties()).to.deep.equal({});
      expect(await new FakeWorker().lookupVolume('v-1')).to.equal(undefined);
      expect(await new fakes.FakeContainerRepository().findDestroyable('w', 10)).to.deep.equal([]);
      expect(await new FakeCluster().deletePod('kw-1')).to.equal(false);
      expect(new fakes.FakeClock().now()).to.equal(0);
    });

    it('returns an iteration that ends at once', async () => {
      for await (const change of new FakeCluster().watchPods('', '1')) expect.fail(`unexpected ${change.type}`);
    });

    it('rejects with the name of the method if the result has no zero value', async () => {
      const error = await rejection(new FakeContainer().run({ path: '/bin/true' }, {}));
      expect(error).to.be.instanceOf(UnstubbedCallError);
      expect(error).to.include({ fake: 'FakeContainer', method: 'run' });
      expect((error as Error).message).to.equal('FakeContainer.run was called, but the test has not stubbed it');
    });

    it('throws if the method is synchronous', () => {
      expect(() => new FakeProcess().position()).to.throw(UnstubbedCallError, 'FakeProcess.position');
    });
  });

  context('with the features of counterfeiter', () => {
    let container: FakeContainer;
    const process = new FakeProcess({ id: 'p' });

    beforeEach(() => {
      container = new FakeContainer();
    });

    it('counts calls and records their arguments', async () => {
      container.run.resolves(process);
      await container.run({ path: 'ls', args: ['-l'] }, {});
      expect(container.run.callCount).to.equal(1);
      expect(container.run.getCall(0).args[0].args).to.deep.equal(['-l']);
    });

    it('prefers the result of one call to the result of all calls', async () => {
      const special = new FakeProcess({ id: 'special' });
      container.run.resolves(process);
      container.run.onSecondCall().resolves(special);
      const ids: string[] = [];
      for (let call = 0; call < 3; call += 1) ids.push((await container.run({ path: 'ls' }, {})).id);
      expect(ids).to.deep.equal(['p', 'special', 'p']);
    });

    it('calls the given implementation', async () => {
      container.run.callsFake(async (spec) => new FakeProcess({ id: spec.id ?? 'none' }));
      expect((await container.run({ id: 'mine', path: 'ls' }, {})).id).to.equal('mine');
    });

    it('records the order of calls across several fakes', async () => {
      container.run.resolves(process);
      process.wait.resolves({ exitStatus: 0 });
      await (await container.run({ path: 'ls' }, {})).wait();
      sinon.assert.callOrder(container.run, process.wait);
    });

    it('keeps its initial results when its history is reset', async () => {
      await container.properties();
      container.properties.resetHistory();
      expect(container.properties.callCount).to.equal(0);
      expect(await container.properties()).to.deep.equal({});
    });

    it('is disposed by await using, and counts the calls', async () => {
      const held = new FakeProcess();
      {
        await using borrowed = held;
        expect(borrowed.id).to.equal('');
      }
      expect(held[Symbol.asyncDispose].callCount).to.equal(1);
    });
  });
});
