import { expect } from 'chai';
import sinon from 'sinon';

import type { DatabaseClient } from '../../../src/repository/postgres/connection/database.ts';
import { RenewedPool } from '../../../src/repository/postgres/connection/renewed-pool.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { settle } from '../../support/virtual-clock.ts';

const refused = new Error('refused');

/** A pool whose calls a test answers. */
class ScriptedPool {
  readonly connect: sinon.SinonStub = sinon.stub();
  readonly end: sinon.SinonStub = sinon.stub().resolves();
  readonly on: sinon.SinonStub = sinon.stub();
}

describe('RenewedPool', () => {
  const client = {} as DatabaseClient;
  let pools: Map<string, ScriptedPool>;
  let read: sinon.SinonStub;
  let pool: RenewedPool;
  const of = (url: string): ScriptedPool => pools.get(url)!;

  beforeEach(async () => {
    pools = new Map(['one', 'two'].map((url) => [url, new ScriptedPool()]));
    read = sinon.stub().resolves('one');
    pool = await RenewedPool.open({ read, open: async (url) => of(url), logger: silentLogger });
    of('two').connect.resolves(client);
    read.resetHistory();
  });

  it('reads the URL once for all calls that fail at a time, and connects each by the new one', async () => {
    of('one').connect.rejects(refused);
    read.resolves('two');
    expect(await Promise.all([pool.connect(), pool.connect(), pool.connect()])).to.deep.equal([client, client, client]);
    sinon.assert.calledOnce(read);
    expect(await pool.connect()).to.equal(client);
    sinon.assert.calledThrice(of('one').connect);
  });

  it('rejects with the failure if the URL is the same, and reads again at the next one', async () => {
    of('one').connect.rejects(refused);
    expect(await rejection(pool.connect())).to.equal(refused);
    read.resolves('two');
    expect(await pool.connect()).to.equal(client);
  });

  it('closes the pool before when no call waits for it any more', async () => {
    const waiting = Promise.withResolvers<DatabaseClient>();
    of('one').connect.onFirstCall().returns(waiting.promise).onSecondCall().rejects(refused);
    read.resolves('two');
    const first = pool.connect();
    await pool.connect();
    await settle();
    sinon.assert.notCalled(of('one').end);
    waiting.resolve(client);
    expect(await first).to.equal(client);
    await pool.end();
    sinon.assert.calledOnce(of('one').end);
    sinon.assert.calledOnce(of('two').end);
  });

  it('reads nothing once it has ended', async () => {
    await pool.end();
    of('one').connect.rejects(refused);
    expect(await rejection(pool.connect())).to.equal(refused);
    sinon.assert.notCalled(read);
  });
});
