import { expect } from 'chai';

import { type PooledSession, SessionPool } from '../../../../src/agent-client/session/session-pool.ts';
import { ClosedError } from '../../../../src/errors/caller.ts';
import { rejection } from '../../../support/rejection.ts';
import { ScriptedAgent } from '../../../support/scripted-agent.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

describe('SessionPool', () => {
  let clock: VirtualClock;
  let pool: SessionPool;
  /** One agent per connection, in the order of opening. */
  let agents: ScriptedAgent[];
  /** The signal of each connection. */
  let signals: (AbortSignal | undefined)[];
  /** Called for each new connection, before the pool receives it. */
  let onConnect: (agent: ScriptedAgent) => void | Promise<void>;

  beforeEach(() => {
    clock = new VirtualClock();
    agents = [];
    signals = [];
    onConnect = (agent) => agent.hello();
    pool = new SessionPool({
      connect: async ({ signal }) => {
        const agent = new ScriptedAgent();
        agents.push(agent);
        signals.push(signal);
        await onConnect(agent);
        return agent.connection;
      },
      clock,
      logger: silentLogger,
      podName: 'pod',
      libraryVersion: '0',
      helloTimeoutMs: 30_000,
      pingAfterMs: 10_000,
      deadAfterMs: 60_000,
      maxIdle: 2,
      idleMs: 30_000,
    });
  });

  afterEach(async () => {
    pool.close(new ClosedError('test'));
    await settle();
    expect(clock.sleeping, 'timers left').to.equal(0);
    expect(closed(), 'connections left open').not.to.include(false);
  });

  const closed = (): boolean[] => agents.map((agent) => agent.closed);

  const acquireAll = (count: number): Promise<PooledSession[]> =>
    Promise.all(Array.from({ length: count }, () => pool.acquire()));

  /** Lets connections open only when the returned function is called, once per connection. */
  function holdConnections(): () => Promise<void> {
    const held: (() => void)[] = [];
    onConnect = async (agent) => {
      await new Promise<void>((resolve) => held.push(resolve));
      agent.hello();
    };
    return async () => {
      held.shift()?.();
      await settle();
    };
  }

  /** Records the calls in the order in which they acquire a session. */
  function acquireInOrder(count: number, order: number[]): Promise<PooledSession>[] {
    return Array.from({ length: count }, async (_, call) => {
      const pooled = await pool.acquire();
      order.push(call);
      return pooled;
    });
  }

  context('when a session is idle', () => {
    it('reuses the session', async () => {
      const first = await pool.acquire();
      first.release();
      const second = await pool.acquire();
      expect([first.reused, second.reused]).to.deep.equal([false, true]);
      expect(second.session).to.equal(first.session);
      expect(agents).to.have.length(1);
    });

    it('reuses the session that became idle last', async () => {
      const [first, second] = await acquireAll(2);
      second?.release();
      first?.release();
      expect((await pool.acquire()).session).to.equal(first?.session);
    });

    it('opens a new session with `fresh`', async () => {
      const first = await pool.acquire();
      first.release();
      const second = await pool.acquire({ fresh: true });
      expect(second.reused).to.equal(false);
      expect(second.session).not.to.equal(first.session);
    });

    it('closes the session after idleMs', async () => {
      (await pool.acquire()).release();
      await clock.advance(29_999);
      expect(closed()).to.deep.equal([false]);
      await clock.advance(1);
      expect(closed()).to.deep.equal([true]);
    });

    it('keeps a session that is acquired before idleMs', async () => {
      (await pool.acquire()).release();
      await clock.advance(20_000);
      await pool.acquire();
      await clock.advance(20_000);
      expect(closed()).to.deep.equal([false]);
    });

    it('removes a session that loses its connection', async () => {
      (await pool.acquire()).release();
      agents[0]?.lose(new Error('cut'));
      expect((await pool.acquire()).reused).to.equal(false);
      expect(agents).to.have.length(2);
    });

    it('keeps at most maxIdle sessions', async () => {
      for (const { release } of await acquireAll(3)) release();
      await settle();
      expect(closed()).to.deep.equal([false, false, true]);
    });
  });

  context('when no session is idle', () => {
    it('opens at most 4 connections at a time', async () => {
      const open = holdConnections();
      const calls = acquireInOrder(6, []);
      await settle();
      expect(agents).to.have.length(4);
      await open();
      expect(agents).to.have.length(5);
      for (let turn = 0; turn < 5; turn += 1) await open();
      await Promise.all(calls);
      expect(agents).to.have.length(6);
    });

    it('serves calls in order', async () => {
      const open = holdConnections();
      const order: number[] = [];
      const calls = acquireInOrder(3, order);
      await settle();
      for (let turn = 0; turn < 3; turn += 1) await open();
      await Promise.all(calls);
      expect(order).to.deep.equal([0, 1, 2]);
    });

    it('passes a released session to the waiting call, and keeps the new session idle', async () => {
      const first = await pool.acquire();
      const open = holdConnections();
      const waiting = pool.acquire();
      await settle();
      first.release();
      const second = await waiting;
      expect(second.session).to.equal(first.session);
      expect(second.reused).to.equal(true);
      await open();
      expect((await pool.acquire()).session).not.to.equal(first.session);
      expect(agents).to.have.length(2);
    });

    it('passes a session to the waiting call when its operation is answered', async () => {
      const { session } = await pool.acquire();
      session.begin(Buffer.from('{}'), {
        bind: () => undefined,
        opened: () => undefined,
        data: () => undefined,
        window: () => undefined,
        end: () => undefined,
        progress: () => undefined,
        answered: () => undefined,
        failed: () => undefined,
        lost: () => undefined,
      });
      const open = holdConnections();
      const waiting = pool.acquire();
      await settle();
      agents[0]?.json('RESULT', {});
      expect((await waiting).session).to.equal(session);
      await open();
    });

    it('rejects one call with the error of a connection, and opens another connection for the next call', async () => {
      const refused = new Error('refused');
      onConnect = (agent) => {
        if (agents.length === 1) throw refused;
        agent.hello();
      };
      const [first, second] = await Promise.allSettled([pool.acquire(), pool.acquire()]);
      expect(first).to.deep.equal({ status: 'rejected', reason: refused });
      expect(second?.status).to.equal('fulfilled');
      agents.shift();
    });
  });

  context('when a call is aborted', () => {
    const reason = new Error('stopped');

    it('rejects with the reason before it connects', async () => {
      expect(await rejection(pool.acquire({ signal: AbortSignal.abort(reason) }))).to.equal(reason);
      expect(agents).to.have.length(0);
    });

    it('aborts the connection if no other call waits, and closes it if it opens', async () => {
      const open = holdConnections();
      const stop = new AbortController();
      const call = rejection(pool.acquire({ signal: stop.signal }));
      await settle();
      stop.abort(reason);
      expect(await call).to.equal(reason);
      expect(signals[0]?.aborted).to.equal(true);
      await open();
      expect(closed()).to.deep.equal([true]);
    });

    it('leaves the connection to another waiting call', async () => {
      const open = holdConnections();
      const stop = new AbortController();
      const aborted = rejection(pool.acquire({ signal: stop.signal }));
      const waiting = pool.acquire();
      await settle();
      stop.abort(reason);
      await aborted;
      expect(signals.map((signal) => signal?.aborted)).to.deep.equal([false, false]);
      await open();
      expect((await waiting).reused).to.equal(false);
      await open();
    });
  });

  context('when it is closed', () => {
    const reason = new ClosedError('the pool');

    it('closes idle sessions and sessions in use', async () => {
      const [idle] = await acquireAll(2);
      idle?.release();
      pool.close(reason);
      await settle();
      expect(closed()).to.deep.equal([true, true]);
    });

    it('rejects waiting and later calls with the reason', async () => {
      const open = holdConnections();
      const waiting = rejection(pool.acquire());
      await settle();
      pool.close(reason);
      expect(await waiting).to.equal(reason);
      expect(await rejection(pool.acquire())).to.equal(reason);
      expect(pool.closing.reason).to.equal(reason);
      await open();
    });
  });

  context('when it reports idleSince', () => {
    it('is undefined while a connection is opening, in use or idle', async () => {
      const open = holdConnections();
      const opening = pool.acquire();
      await settle();
      expect(pool.idleSince, 'opening').to.equal(undefined);
      await open();
      const { release } = await opening;
      expect(pool.idleSince, 'in use').to.equal(undefined);
      release();
      expect(pool.idleSince, 'idle').to.equal(undefined);
    });

    it('is the time at which the last connection was closed', async () => {
      expect(pool.idleSince).to.equal(clock.now());
      (await pool.acquire()).release();
      await clock.advance(30_000);
      const closedAt = clock.now();
      await clock.advance(5_000);
      expect(pool.idleSince).to.equal(closedAt);
    });
  });
});
