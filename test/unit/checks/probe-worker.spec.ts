import { expect } from 'chai';

import { FakeCluster, FakeWorkerStates } from '../../../fakes/index.ts';
import { probeWorker } from '../../../src/checks/probe-worker.ts';
import type { WorkerInfo } from '../../../src/runtime/worker-lifecycle.ts';
import { rejection } from '../../support/rejection.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('probeWorker', () => {
  let states: FakeWorkerStates;
  let cluster: FakeCluster;

  beforeEach(() => {
    states = new FakeWorkerStates();
    states.find.resolves({ name: 'w' } as WorkerInfo);
    cluster = new FakeCluster({ namespace: 'ns' });
    cluster.probePods.resolves();
  });

  const components = (stores: Readonly<Record<string, () => Promise<void>>> = {}) => ({
    workerName: 'w',
    states,
    cluster,
    within: async (_limitMs: number, work: (signal: AbortSignal) => Promise<void>, signal?: AbortSignal) =>
      await work(signal ?? new AbortController().signal),
    stores: new Map(Object.entries(stores).map(([name, probe]) => [name, { probe }])),
  });

  it('asks the database, the API server and each store', async () => {
    const found = await probeWorker(components({ pvc: async () => undefined }));
    expect(found.map(({ name, ok }) => [name, ok])).to.deep.equal([
      ['database', true],
      ['api-server', true],
      ['store:pvc', true],
    ]);
  });

  it('returns the reason of each that does not answer, and still the others', async () => {
    states.find.rejects(new Error('connection refused'));
    cluster.probePods.rejects(new Error('no route'));
    const full = new Error('no space left');
    const found = await probeWorker(components({ a: async () => undefined, b: () => Promise.reject(full) }));
    expect(found.map(({ ok }) => ok)).to.deep.equal([false, false, true, false]);
    expect(found[0]).to.include({ message: 'connection refused' });
    expect(found[3]).to.deep.equal({ name: 'store:b', ok: false, message: 'no space left' });
  });

  it('counts a worker without a row as a failure of the database', async () => {
    states.find.resolves(undefined);
    const [database] = await probeWorker(components());
    expect(database).to.include({ ok: false });
  });

  it('limits each request, so that one that hangs hides no other', async () => {
    states.find.returns(new Promise(() => undefined));
    const within = async (limitMs: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> => {
      await Promise.race([work(new AbortController().signal), settle().then(() => Promise.reject(late(limitMs)))]);
    };
    const late = (limitMs: number): Error => new Error(`not within ${limitMs} ms`);
    expect(await probeWorker({ ...components(), within }, { timeoutMs: 7 })).to.deep.equal([
      { name: 'database', ok: false, message: 'not within 7 ms' },
      { name: 'api-server', ok: true, message: 'answers' },
    ]);
  });

  it('rejects with the reason of its signal', async () => {
    const stop = new AbortController();
    states.find.callsFake(async () => {
      stop.abort(new Error('stopped'));
      return await Promise.reject(new Error('aborted'));
    });
    expect(await rejection(probeWorker(components(), { signal: stop.signal }))).to.include({ message: 'stopped' });
  });
});
