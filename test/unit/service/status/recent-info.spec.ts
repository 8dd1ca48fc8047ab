import { expect } from 'chai';

import { FakeWorker } from '../../../../fakes/index.ts';
import { RepositoryUnavailableError, type WorkerInfo } from '../../../../src/index.ts';
import { RecentInfo } from '../../../../src/service/status/routes/recent-info.ts';
import { rejection } from '../../../support/rejection.ts';

describe('RecentInfo', () => {
  let now: number;
  let worker: FakeWorker;
  let recent: RecentInfo;

  beforeEach(() => {
    now = 50;
    worker = new FakeWorker();
    worker.info.callsFake(async () => ({ name: `read ${String(worker.info.callCount)}` }) as WorkerInfo);
    recent = new RecentInfo(() => now);
  });

  const nameNow = async (): Promise<string | undefined> => (await recent.of(worker)).info?.name;

  it('reads once for all requests of a second, and again after it', async () => {
    expect(await Promise.all([nameNow(), nameNow(), nameNow()])).to.deep.equal(['read 1', 'read 1', 'read 1']);
    now += 999;
    expect(await nameNow()).to.equal('read 1');
    now += 1;
    await nameNow();
    expect(await nameNow()).to.equal('read 2');
  });

  it('uses the last result while the next read is under way, until it is 5 s old', async () => {
    await nameNow();
    const { promise, resolve } = Promise.withResolvers<WorkerInfo>();
    worker.info.onSecondCall().returns(promise);
    now += 4_999;
    expect([await nameNow(), await nameNow()]).to.deep.equal(['read 1', 'read 1']);
    now += 1;
    const late = nameNow();
    resolve({ name: 'slow' } as WorkerInfo);
    expect(await late).to.equal('slow');
    expect(worker.info.callCount).to.equal(2);
  });

  it('rejects the next request with a fault of a read that no request has waited for', async () => {
    await nameNow();
    worker.info.onSecondCall().rejects(new TypeError('a fault'));
    worker.info.onThirdCall().rejects(new TypeError('a fault again'));
    now += 1_000;
    expect(await nameNow()).to.equal('read 1');
    expect(await rejection(recent.of(worker))).to.be.instanceOf(TypeError);
  });

  it('shares a read that takes longer than a second', async () => {
    const { promise, resolve } = Promise.withResolvers<WorkerInfo>();
    worker.info.onFirstCall().returns(promise);
    const first = recent.of(worker);
    now += 5_000;
    const second = recent.of(worker);
    resolve({ name: 'slow' } as WorkerInfo);
    expect([(await first).info?.name, (await second).info?.name]).to.deep.equal(['slow', 'slow']);
    expect(worker.info.callCount).to.equal(1);
  });

  it('keeps a failure of the library for a second as well, and rejects with a fault of the program', async () => {
    worker.info.onFirstCall().rejects(new RepositoryUnavailableError('the database does not answer'));
    for (let request = 0; request < 2; request += 1)
      expect((await recent.of(worker)).error).to.include({ code: 'KW_ERR_REPOSITORY_UNAVAILABLE' });
    now += 5_000;
    worker.info.onSecondCall().rejects(new TypeError('a fault'));
    expect(await rejection(recent.of(worker))).to.be.instanceOf(TypeError);
  });

  it('has nothing before the worker is open, and reads another worker at once', async () => {
    expect(await recent.of(undefined)).to.deep.equal({ info: undefined, error: null });
    expect(await nameNow()).to.equal('read 1');
    const other = new FakeWorker();
    other.info.resolves({ name: 'other' } as WorkerInfo);
    expect((await recent.of(other)).info?.name).to.equal('other');
  });
});
