import { expect } from 'chai';
import sinon from 'sinon';

import type { ByteConnection } from '../../../src/agent-client/session/byte-connection.ts';
import { ConnectionLimits } from '../../../src/agent-client/session/connection-limits.ts';
import { ForbiddenError } from '../../../src/errors/cluster.ts';
import { AgentPool } from '../../../src/pods/agent-pool.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const facts = { verb: 'create', resource: 'pods/exec', namespace: 'ci' };

describe('AgentPool', () => {
  const make = (connect: () => Promise<ByteConnection>) => {
    const clock = new VirtualClock();
    const pool = new AgentPool({
      connect,
      clock,
      logger: silentLogger,
      limits: new ConnectionLimits({}),
      transferEnded: () => undefined,
      options: {},
    });
    return { clock, pool };
  };

  it('closes clients that were idle for ten minutes', async () => {
    const { clock, pool } = make(() => Promise.reject(new Error('gone')));
    const clients = Array.from({ length: 100 }, (_, index) => pool.client(`reaped-${String(index)}`, 'h'));
    await clock.advance(599_999);
    pool.client('next', 'h');
    expect(pool.client('reaped-0', 'h')).to.equal(clients[0]);
    await clock.advance(1);
    pool.client('another', 'h');
    expect(pool.size).to.equal(2);
    expect(await rejection(clients[1]!.hello())).to.include({ code: 'KW_ERR_EXEC_CONNECTION_LOST', retryable: true });
    pool.close();
  });

  it('keeps a client that is opening a connection, however long that takes', async () => {
    const { clock, pool } = make(() => new Promise<never>(() => undefined));
    const client = pool.client('slow', 'h');
    const hello = rejection(client.hello());
    await settle();
    await clock.advance(3_600_000);
    pool.client('other', 'h');
    expect(pool.client('slow', 'h')).to.equal(client);
    pool.close();
    expect(await hello).to.include({ code: 'KW_ERR_CLOSED' });
  });

  it('keeps a client for each handle of a pod name, and forgets them together', async () => {
    const connect = sinon.stub().rejects(new ForbiddenError(facts, 'no'));
    const { pool } = make(connect);
    const [earlier, later] = [pool.client('chosen', 'h-1'), pool.client('chosen', 'h-2')];
    expect(pool.client('chosen', 'h-1')).to.equal(earlier).and.not.equal(later);
    await rejection(later.hello());
    sinon.assert.calledOnceWithMatch(connect, 'chosen', { handle: 'h-2' });
    pool.client('other', 'h-3');
    pool.forget('chosen');
    expect(pool.size).to.equal(1);
    pool.close();
    expect(pool.size).to.equal(0);
  });

  it('counts ten minutes from the last use', async () => {
    const { clock, pool } = make(() => Promise.reject(new Error('refused')));
    const client = pool.client('used', 'h');
    await clock.advance(599_000);
    await rejection(client.hello());
    await clock.advance(599_000);
    pool.client('other', 'h');
    expect(pool.client('used', 'h')).to.equal(client);
    pool.close();
  });
});
