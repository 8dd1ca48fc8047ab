import { getEventListeners } from 'node:events';

import { expect } from 'chai';
import {
  AgentSession,
  type OperationChannel,
  type OperationHandler,
  type SessionOptions,
} from '../../../../src/agent-client/session/agent-session.ts';
import type { AgentFailure } from '../../../../src/agent-client/wire/agent-error.ts';
import { ClosedError } from '../../../../src/errors/caller.ts';
import {
  AgentIncompatibleError,
  AgentUnavailableError,
  HeartbeatTimeoutError,
  ProtocolViolationError,
} from '../../../../src/errors/connection.ts';
import { wireData, wireEnd, wireFrame, wireJson, wireWindow } from '../../../support/agent/agent-wire.ts';
import { rejection } from '../../../support/rejection.ts';
import { HELLO, ScriptedAgent } from '../../../support/scripted-agent.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

describe('AgentSession', () => {
  let clock: VirtualClock;
  let agent: ScriptedAgent;
  let events: string[];
  let options: SessionOptions;

  beforeEach(() => {
    clock = new VirtualClock();
    agent = new ScriptedAgent();
    events = [];
    options = {
      clock,
      podName: 'pod',
      libraryVersion: '1.2.3',
      helloTimeoutMs: 30_000,
      pingAfterMs: 10_000,
      deadAfterMs: 60_000,
      idle: () => events.push('idle'),
      closed: () => events.push('closed'),
    };
  });

  let channel: OperationChannel;

  const open = (signal?: AbortSignal) => AgentSession.open(agent.connection, options, { signal });

  /** An operation that records its calls. */
  function handler(changes: Partial<OperationHandler> = {}): OperationHandler {
    return {
      bind: (bound) => {
        channel = bound;
      },
      opened: () => events.push('opened'),
      data: ({ stream }) => events.push(`data ${stream}`),
      window: ({ stream }) => events.push(`window ${stream}`),
      end: ({ stream }) => events.push(`end ${stream}`),
      progress: () => events.push('progress'),
      answered: () => events.push('answered'),
      failed: (failure: AgentFailure) => events.push(`failed ${failure.code}`),
      lost: (reason) => events.push(`lost ${reason.name}`),
      ...changes,
    };
  }

  context('when it opens', () => {
    it('sends HELLO without waiting, and resolves with the HELLO of the agent', async () => {
      const opening = open();
      expect(await agent.nextJson('HELLO')).to.deep.equal({
        magic: 'kubernetes-worker',
        protocol: [1, 4],
        version: '1.2.3',
      });
      agent.hello();
      const { hello } = await opening;
      expect(hello).to.deep.equal({
        protocol: 1,
        version: '0.1.0',
        incarnation: 'abc',
        arch: 'x64',
        uid: 0,
        gid: 0,
        freeBytes: 1e9,
        pid1: true,
      });
    });

    it('uses the highest common version', async () => {
      agent.hello({ protocol: [1, 7] });
      expect((await open()).hello.protocol).to.equal(4);
    });

    it('rejects with both ranges if there is no common version', async () => {
      agent.hello({ protocol: [5, 6] });
      const error = await rejection(open());
      expect(error).to.be.instanceOf(AgentIncompatibleError).with.deep.property('agentProtocol', [5, 6]);
      expect(agent.closed).to.equal(true);
    });

    it('rejects if the agent sends no HELLO in time', async () => {
      const opening = rejection(open());
      await clock.advance(29_000);
      expect(agent.closed).to.equal(false);
      await clock.advance(5_000);
      expect(await opening)
        .to.be.instanceOf(AgentUnavailableError)
        .with.property('podName', 'pod');
      expect(agent.closed).to.equal(true);
      expect(clock.sleeping).to.equal(0);
    });

    it('rejects with the reason of a connection that ends', async () => {
      const reason = new Error('container not found');
      const opening = rejection(open());
      agent.lose(reason);
      expect(await opening).to.equal(reason);
    });

    it('rejects with the reason of its signal, and removes its listener', async () => {
      const stop = new AbortController();
      const opening = rejection(open(stop.signal));
      const reason = new Error('stopped');
      stop.abort(reason);
      expect(await opening).to.equal(reason);
      expect(agent.closed).to.equal(true);
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
      await settle();
      expect(clock.sleeping).to.equal(0);
    });

    for (const [what, bytes] of [
      ['another frame before HELLO', wireJson('OPENED', {})],
      ['a PING before HELLO', wireFrame('PING', Buffer.alloc(8))],
      ['the output of another program', Buffer.from('OCI runtime exec failed: exec failed')],
      ['a HELLO with another magic', wireJson('HELLO', { ...HELLO, magic: 'other' })],
      ['a HELLO without its fields', wireJson('HELLO', { magic: 'kubernetes-worker', protocol: [1, 1] })],
      ['a HELLO without JSON', wireFrame('HELLO', Buffer.from('hello'))],
    ] as const) {
      it(`rejects ${what}`, async () => {
        agent.send(bytes);
        expect(await rejection(open())).to.be.instanceOf(ProtocolViolationError);
        expect(agent.closed).to.equal(true);
      });
    }
  });

  context('when it is open', () => {
    let session: AgentSession;

    beforeEach(async () => {
      agent.hello();
      ({ session } = await open());
      await agent.next('HELLO');
    });

    afterEach(async () => {
      session.close(new ClosedError('test'));
      await settle();
      expect(clock.sleeping).to.equal(0);
    });

    it('sends PING after 10 s of silence, and not before', async () => {
      await clock.advance(9_000);
      expect(agent.types).to.deep.equal(['HELLO']);
      await clock.advance(2_500);
      expect(agent.types).to.deep.equal(['HELLO', 'PING']);
      await clock.advance(60_000);
      expect(agent.types.filter((type) => type === 'PING').length).to.be.within(5, 8);
      expect(agent.closed).to.equal(false);
    });

    it('sends no PING while the agent sends frames', async () => {
      for (let turn = 0; turn < 20; turn += 1) {
        await clock.advance(5_000);
        agent.send(wireFrame('PONG', Buffer.alloc(8)));
      }
      expect(agent.types).to.deep.equal(['HELLO']);
    });

    it('fails after 60 s without a frame of the agent, whatever it sends itself', async () => {
      agent.answersPings = false;
      session.begin(Buffer.from('{}'), handler());
      await clock.advance(55_000);
      expect(events).to.deep.equal([]);
      await clock.advance(15_000);
      expect(events).to.deep.equal([`lost ${HeartbeatTimeoutError.name}`, 'closed']);
      expect(agent.closed).to.equal(true);
    });

    it('answers PING at once, in every phase', async () => {
      agent.send(wireFrame('PING', Buffer.from('abcdefgh')));
      session.begin(Buffer.from('{}'), handler());
      agent.send(wireFrame('PING', Buffer.from('abcdefgh')));
      await settle();
      expect(agent.types).to.deep.equal(['HELLO', 'PONG', 'OPEN', 'PONG']);
    });

    it('passes all frames to the operation in order, sends DONE, and is idle again', async () => {
      session.begin(Buffer.from('{"op":"x"}'), handler());
      expect((await agent.nextJson('OPEN'))['op']).to.equal('x');
      agent.send(
        wireJson('OPENED', {}),
        wireData(1, 0, Buffer.from('a')),
        wireWindow(0, 0, 1),
        wireEnd(1, 1, Buffer.alloc(32)),
        wireJson('PROGRESS', {}),
        wireJson('RESULT', {}),
      );
      expect(events).to.deep.equal(['opened', 'data 1', 'window 0', 'end 1', 'progress', 'answered', 'idle']);
      await agent.next('DONE');
      session.begin(Buffer.from('{}'), handler());
      await agent.next('OPEN');
      agent.json('ERROR', { code: 'IO_ERROR', message: 'm' });
      expect(events.slice(-2)).to.deep.equal(['failed IO_ERROR', 'idle']);
    });

    it('sends nothing for an operation after its answer', async () => {
      session.begin(Buffer.from('{}'), handler());
      agent.json('RESULT', {});
      channel.send({ type: 13 });
      await channel.write([Buffer.from('bytes')]);
      channel.abandon(new Error('too late'));
      await settle();
      expect(agent.types).to.deep.equal(['HELLO', 'OPEN', 'DONE']);
      expect(agent.closed).to.equal(false);
    });

    context('after an answer that the agent keeps until DONE', () => {
      beforeEach(() => {
        agent.answersPings = false;
        session.begin(Buffer.from('{}'), handler({ isKept: true, unconfirmed: () => events.push('unconfirmed') }));
        agent.json('RESULT', {});
        events.length = 0;
      });

      it('reports an unconfirmed answer if the connection is lost before the agent confirms DONE', async () => {
        await settle();
        agent.lose(new TypeError('cut'));
        expect(events).to.deep.equal(['closed', 'unconfirmed']);
      });

      it('reports nothing after the agent has answered the PING behind DONE', async () => {
        await settle();
        expect(agent.types.slice(-2)).to.deep.equal(['DONE', 'PING']);
        agent.send(wireFrame('PONG', agent.lastPing));
        agent.lose(new TypeError('cut'));
        expect(events).to.deep.equal(['closed']);
      });

      it('accepts no other PONG as a confirmation', async () => {
        await settle();
        agent.send(wireFrame('PONG', Buffer.alloc(8)));
        agent.lose(new TypeError('cut'));
        expect(events).to.deep.equal(['closed', 'unconfirmed']);
      });

      it('reports nothing if the PONG arrives after BYE', async () => {
        agent.closesAfterBye = false;
        session.close(new ClosedError('test'));
        await settle();
        agent.send(wireFrame('PONG', agent.lastPing));
        agent.lose(new TypeError('closed'));
        await settle();
        expect(events).to.deep.equal(['closed']);
      });

      it('reports an unconfirmed answer if the connection is lost after BYE', async () => {
        session.close(new ClosedError('test'));
        await settle();
        expect(events).to.deep.equal(['closed', 'unconfirmed']);
      });

      it('reports nothing after the next operation was opened', async () => {
        session.begin(Buffer.from('{}'), handler());
        agent.json('OPENED', {});
        agent.lose(new TypeError('cut'));
        expect(events).to.deep.equal(['opened', 'lost TypeError', 'closed']);
      });
    });

    it('fails the operation when the connection is lost', () => {
      session.begin(Buffer.from('{}'), handler());
      agent.lose(new TypeError('cut'));
      expect(events).to.deep.equal(['lost TypeError', 'closed']);
    });

    it('fails an operation that is begun after the loss of the connection, for the same reason', async () => {
      agent.lose(new TypeError('cut'));
      session.begin(Buffer.from('{}'), handler());
      await settle();
      expect(events).to.deep.equal(['closed', 'lost TypeError']);
    });

    it('sends BYE when it is closed', async () => {
      session.close(new ClosedError('test'));
      await settle();
      expect(agent.types).to.deep.equal(['HELLO', 'BYE']);
      expect(agent.closed).to.equal(true);
      expect(events).to.deep.equal(['closed']);
    });

    it('waits up to a second for the agent to close first, so that no reset follows its last frames', async () => {
      agent.closesAfterBye = false;
      session.close(new ClosedError('test'));
      await clock.advance(900);
      agent.send(wireFrame('PONG', Buffer.alloc(8)));
      expect(agent.closed).to.equal(false);
      await clock.advance(100);
      expect(agent.closed).to.equal(true);
      expect(events).to.deep.equal(['closed']);
    });

    it('closes without BYE if BYE cannot be sent', async () => {
      agent.stall();
      session.close(new ClosedError('test'));
      await clock.advance(1_000);
      expect(agent.closed).to.equal(true);
      agent.resume();
    });

    for (const [what, bytes] of [
      ['OPENED', wireJson('OPENED', {})],
      ['DATA', wireData(1, 0, Buffer.from('a'))],
      ['WINDOW', wireWindow(0, 0, 1)],
      ['END', wireEnd(1, 0, Buffer.alloc(32))],
      ['RESULT', wireJson('RESULT', {})],
      ['ERROR', wireJson('ERROR', { code: 'IO_ERROR', message: '' })],
      ['a second HELLO', wireJson('HELLO', HELLO)],
      ['a frame of the host', wireJson('STOP', { graceMs: 1 })],
      ['garbage', Buffer.alloc(100, 0xee)],
    ] as const) {
      it(`closes the connection for ${what} while no operation is open`, () => {
        agent.send(bytes);
        expect(agent.closed).to.equal(true);
        expect(events).to.deep.equal(['closed']);
      });
    }

    it('closes the connection if the operation throws, and passes the error to the operation', () => {
      session.begin(
        Buffer.from('{}'),
        handler({
          answered: () => {
            throw new RangeError('wrong');
          },
        }),
      );
      agent.send(wireJson('RESULT', {}), wireJson('RESULT', {}));
      expect(events).to.deep.equal(['lost RangeError', 'closed']);
      expect(agent.closed).to.equal(true);
    });

    it('closes the connection for the error PROTOCOL_VIOLATION: the agent answers nothing afterwards', () => {
      session.begin(Buffer.from('{}'), handler());
      agent.json('ERROR', { code: 'PROTOCOL_VIOLATION', message: 'm' });
      expect(events).to.deep.equal([`lost ${ProtocolViolationError.name}`, 'closed']);
    });
  });
});
