import { expect } from 'chai';
import sinon from 'sinon';

import * as fakes from '../../../fakes/index.ts';
import { FakeCluster, FakeContainer, FakeProcess, FakeWorker, UnstubbedCallError } from '../../../fakes/index.ts';
import type { Container, Worker } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';

describe('a fake', () => {
  it('is there for every contract and port', () => {
    expect(Object.keys(fakes).filter((name) => name.startsWith('Fake'))).to.include.members([
      'FakeWorker',
      'FakeContainer',
      'FakeProcess',
      'FakeVolume',
      'FakeArtifact',
      'FakeArtifactStore',
      'FakeContainerRepository',
      'FakeVolumeRepository',
      'FakeWorkerRepository',
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

  it('takes its fields when it is made, and lets them be changed', () => {
    const container = new FakeContainer({ handle: 'c-1' });
    container.podName = 'kw-1';
    expect([container.handle, container.podName]).to.deep.equal(['c-1', 'kw-1']);
  });

  it('shares nothing with another of its class', async () => {
    const [one, other] = [new FakeWorker(), new FakeWorker()];
    one.lookupContainer.resolves(new FakeContainer());
    await one.lookupContainer('c-1');
    expect(other.lookupContainer.callCount).to.equal(0);
    expect(await other.lookupContainer('c-1')).to.equal(undefined);
  });

  context('of which no result was set', () => {
    it('gives the zero value where the result has one', async () => {
      const container = new FakeContainer();
      expect(await container.properties()).to.deep.equal({});
      expect(await new FakeWorker().lookupVolume('v-1')).to.equal(undefined);
      expect(await new fakes.FakeContainerRepository().findDestroyable('w', 10)).to.deep.equal([]);
      expect(await new FakeCluster().deletePod('kw-1')).to.equal(false);
      expect(new fakes.FakeClock().now()).to.equal(0);
    });

    it('gives an iteration that ends at once', async () => {
      for await (const change of new FakeCluster().watchPods('', '1')) expect.fail(`unexpected ${change.type}`);
    });

    it('rejects where the result has no zero value, and names the method', async () => {
      const error = await rejection(new FakeContainer().run({ path: '/bin/true' }, {}));
      expect(error).to.be.instanceOf(UnstubbedCallError);
      expect(error).to.include({ fake: 'FakeContainer', method: 'run' });
      expect((error as Error).message).to.equal('FakeContainer.run was called, but the test has not stubbed it');
    });

    it('throws where the method is synchronous', () => {
      expect(() => new FakeProcess().position()).to.throw(UnstubbedCallError, 'FakeProcess.position');
    });
  });

  context('as counterfeiter has it', () => {
    let container: FakeContainer;
    const process = new FakeProcess({ id: 'p' });

    beforeEach(() => {
      container = new FakeContainer();
    });

    it('counts calls and keeps their arguments', async () => {
      container.run.resolves(process);
      await container.run({ path: 'ls', args: ['-l'] }, {});
      expect(container.run.callCount).to.equal(1);
      expect(container.run.getCall(0).args[0].args).to.deep.equal(['-l']);
    });

    it('prefers the result of one call to that of all', async () => {
      const special = new FakeProcess({ id: 'special' });
      container.run.resolves(process);
      container.run.onSecondCall().resolves(special);
      const ids: string[] = [];
      for (let call = 0; call < 3; call += 1) ids.push((await container.run({ path: 'ls' }, {})).id);
      expect(ids).to.deep.equal(['p', 'special', 'p']);
    });

    it('calls what it was given instead', async () => {
      container.run.callsFake(async (spec) => new FakeProcess({ id: spec.id ?? 'none' }));
      expect((await container.run({ id: 'mine', path: 'ls' }, {})).id).to.equal('mine');
    });

    it('tells the order of calls on several fakes', async () => {
      container.run.resolves(process);
      process.wait.resolves({ exitStatus: 0 });
      await (await container.run({ path: 'ls' }, {})).wait();
      sinon.assert.callOrder(container.run, process.wait);
    });

    it('keeps its first answers when its history is reset', async () => {
      await container.properties();
      container.properties.resetHistory();
      expect(container.properties.callCount).to.equal(0);
      expect(await container.properties()).to.deep.equal({});
    });

    it('is let go of by await using, and says how often', async () => {
      const held = new FakeProcess();
      {
        await using borrowed = held;
        expect(borrowed.id).to.equal('');
      }
      expect(held[Symbol.asyncDispose].callCount).to.equal(1);
    });
  });
});
