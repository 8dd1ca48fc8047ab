import { expect } from 'chai';

import { FakeWorker } from '../../../../../fakes/index.ts';
import { expectCluster } from '../../../../../src/service/cli/run/expect-cluster.ts';
import { rejection } from '../../../../support/rejection.ts';

describe('expectCluster', () => {
  const { signal } = new AbortController();

  /** Returns a worker whose API server and store answer, or do not. */
  function workerWith(server: boolean, store: boolean): FakeWorker {
    const worker = new FakeWorker({ name: 'w' });
    worker.probe.resolves([
      { name: 'database', ok: true, message: 'answers' },
      { name: 'api-server', ok: server, message: server ? 'answers' : 'connect ECONNREFUSED' },
      { name: 'store:s3', ok: store, message: 'anything' },
    ]);
    return worker;
  }

  it('resolves if the API server answers, whatever the stores do', async () => {
    await expectCluster(workerWith(true, false), signal);
  });

  it('rejects with 69 and the reason if it does not answer', async () => {
    const error = await rejection(expectCluster(workerWith(false, true), signal));
    expect(error).to.include({ exitCode: 69, message: 'the API server is not available: connect ECONNREFUSED' });
  });
});
