import { getEventListeners } from 'node:events';
import { PassThrough } from 'node:stream';

import { expect } from 'chai';

import { ConnectionLimits } from '../../../src/agent-client/session/connection-limits.ts';
import { ClosedError, InvalidSpecError } from '../../../src/errors/caller.ts';
import { AgentIncompatibleError, ProtocolViolationError } from '../../../src/errors/connection.ts';
import { ExecutableNotFoundError, ProcessNotFoundError } from '../../../src/errors/process.ts';
import { OperationLostError, VolumeIoError } from '../../../src/errors/transfer.ts';
import { rejection } from '../../support/rejection.ts';
import { PROCESS_RESULT, type ScriptedAgent } from '../../support/scripted-agent.ts';
import { ScriptedClient } from '../../support/scripted-client.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('AgentClient', () => {
  let setup: ScriptedClient;

  beforeEach(() => {
    setup = new ScriptedClient();
  });

  afterEach(async () => {
    setup.client.close();
    await settle();
    expect(setup.clock.sleeping, 'timers left').to.equal(0);
    for (const agent of setup.agents) expect(agent.closed, 'connections left open').to.equal(true);
  });

  const start = (signal?: AbortSignal) => setup.client.start({ processId: 'x', args: ['true'] }, { signal });

  context('when it runs operations without streams', () => {
    it('starts a command', async () => {
      const result = setup.client.start({
        processId: 'x',
        args: ['a', Buffer.from([0xff])],
        env: ['A=b'],
        dir: '/d',
        user: 'joe',
        tty: { columns: 80, rows: 24 },
        stdin: true,
        retainBytes: 7,
      });
      const { agent, open } = await setup.opened('start');
      expect(open).to.deep.include({
        process: 'x',
        args: ['a', { b64: '/w==' }],
        env: ['A=b'],
        dir: '/d',
        user: 'joe',
        tty: { columns: 80, rows: 24 },
        stdin: true,
        retainBytes: 7,
        attempt: 1,
      });
      expect(open['id']).to.match(/^[0-9a-f-]{36}$/);
      agent.json('OPENED', {});
      agent.json('RESULT', { started: true, process: 'x' });
      expect(await result).to.deep.equal({ started: true });
    });

    it('returns the digest of an earlier start, and rejects for one that is not SHA-256', async () => {
      const specDigest = 'a'.repeat(64);
      const result = start();
      (await setup.opened('start')).agent.json('RESULT', { started: false, specDigest });
      expect(await result).to.deep.equal({ started: false, specDigest });
      const wrong = rejection(start());
      (await setup.opened('start')).agent.json('RESULT', { started: false, specDigest: 'a'.repeat(65) });
      expect((await wrong).code).to.equal('KW_ERR_PROTOCOL_VIOLATION');
    });

    it('accepts a RESULT without OPENED', async () => {
      const result = start();
      (await setup.opened('start')).agent.json('RESULT', { started: false });
      expect(await result).to.deep.equal({ started: false });
    });

    it('stops, signals, resizes, removes, copies and reads the status', async () => {
      const answer = async (op: string, fields: unknown): Promise<Record<string, unknown>> => {
        const { agent, open } = await setup.opened(op);
        agent.json('RESULT', fields);
        return open;
      };
      const { client } = setup;
      const stopped = client.stop('x', 500);
      expect(await answer('stop', { ...PROCESS_RESULT, exitStatus: 143, signal: 15 })).to.deep.include({
        process: 'x',
        graceMs: 500,
      });
      expect(await stopped).to.deep.include({ exitStatus: 143, signal: 15, finishedAt: new Date(2000) });
      const signalled = client.signal('x', 10);
      expect(await answer('signal', {})).to.deep.include({ process: 'x', signal: 10 });
      await signalled;
      const resized = client.resize('x', { columns: 1, rows: 2 });
      expect(await answer('resize', {})).to.deep.include({ process: 'x', columns: 1, rows: 2 });
      await resized;
      const removed = [client.remove({ volume: 'v' })];
      expect(await answer('remove', {})).to.deep.include({ volume: 'v' });
      removed.push(client.remove({ processId: 'x' }));
      await removed[0];
      expect(await answer('remove', {})).to.deep.include({ process: 'x' });
      await removed[1];
      const copied = client.copy({ from: 'a', to: 'b', path: 'c', toPath: 'd' });
      expect(await answer('copy', { entries: 2, expandedBytes: 3 })).to.deep.include({
        from: 'a',
        to: 'b',
        path: 'c',
        toPath: 'd',
      });
      expect(await copied).to.deep.equal({ entries: 2, expandedBytes: 3 });
      const status = client.status();
      const facts = {
        incarnation: 'i',
        version: 'v',
        volumes: ['v'],
        operations: 1,
        freeBytes: 2,
        totalBytes: 3,
        oomKills: 4,
      };
      await answer('status', {
        ...facts,
        processes: [
          { id: 'x', state: 'ended', exitStatus: 0, signal: null },
          { id: 'y', state: 'running', pid: 7 },
        ],
      });
      expect(await status).to.deep.equal({
        ...facts,
        processes: [
          { id: 'x', state: 'ended', exitStatus: 0, signal: undefined, pid: undefined },
          { id: 'y', state: 'running', exitStatus: undefined, signal: undefined, pid: 7 },
        ],
      });
    });

    for (const [protocol, moment] of [
      [3, 'the agent has sent OPENED'],
      [2, 'OPEN was sent'],
    ] as const) {
      it(`releases the place of a stop when ${moment}, before the process ends (protocol ${protocol})`, async () => {
        setup.client.close();
        await settle();
        setup = new ScriptedClient({}, new ConnectionLimits({ maxControls: 1 }));
        setup.onConnect = (agent) => agent.hello({ protocol: [1, protocol] });
        const stops = Array.from({ length: 100 }, (_, index) => setup.client.stop(`p${index}`, 10_000));
        const agents: ScriptedAgent[] = [];
        for (const index of stops.keys()) {
          const { agent, open } = await setup.opened('stop', index);
          expect(open['process']).to.equal(`p${index}`);
          if (protocol === 3) {
            expect(setup.agents, 'before OPENED').to.have.length(index + 1);
            agent.json('OPENED', {});
          }
          agents.push(agent);
        }
        const started = start();
        (await setup.opened('start')).agent.json('RESULT', { started: true });
        await started;
        for (const agent of agents) agent.json('RESULT', { ...PROCESS_RESULT, exitStatus: 137, signal: 9 });
        for (const stopped of await Promise.all(stops)) expect(stopped).to.include({ exitStatus: 137 });
      });
    }

    it('maps the errors of the agent to typed errors, and reuses the connection', async () => {
      for (const [call, op, code, type] of [
        [start, 'start', 'EXECUTABLE_NOT_FOUND', ExecutableNotFoundError],
        [() => setup.client.stop('x', 1), 'stop', 'PROCESS_NOT_FOUND', ProcessNotFoundError],
        [() => setup.client.remove({ volume: 'v' }), 'remove', 'IO_ERROR', VolumeIoError],
      ] as const) {
        const failed = rejection(call());
        (await setup.opened(op)).agent.json('ERROR', { code, message: 'm' });
        expect(await failed).to.be.instanceOf(type);
      }
      expect(setup.agents).to.have.length(1);
    });

    it('rejects with a protocol violation for an invalid RESULT', async () => {
      const failed = rejection(setup.client.stop('x', 1));
      (await setup.opened('stop')).agent.json('RESULT', { ...PROCESS_RESULT, exitStatus: 256 });
      expect(await failed).to.be.instanceOf(ProtocolViolationError);
    });

    it('rejects a specification that cannot be encoded, before it connects', async () => {
      expect(await rejection(setup.client.start({ processId: 'x', args: ['\ud800'] }))).to.be.instanceOf(
        InvalidSpecError,
      );
      expect(setup.agents).to.have.length(0);
    });

    it('rejects with the error of the connection', async () => {
      const reason = new Error('forbidden');
      setup.onConnect = () => Promise.reject(reason);
      expect(await rejection(start())).to.equal(reason);
      setup.onConnect = (agent) => agent.hello({ protocol: [9, 9] });
      expect(await rejection(setup.client.hello())).to.be.instanceOf(AgentIncompatibleError);
      setup.agents.shift();
    });

    it('rejects with the reason of a lost connection for a process, with OperationLostError for a volume', async () => {
      const cut = new TypeError('cut');
      const started = rejection(start());
      (await setup.opened('start')).agent.lose(cut);
      expect(await started).to.equal(cut);
      const copied = rejection(setup.client.copy({ from: 'a', to: 'b' }));
      (await setup.opened('copy')).agent.lose(cut);
      expect(await copied)
        .to.be.instanceOf(OperationLostError)
        .with.property('cause', cut);
    });
  });

  context('when a call is aborted', () => {
    const reason = new Error('stopped');

    async function abortedWhen(prepare: (call: Promise<Error>) => Promise<void>): Promise<void> {
      const stop = new AbortController();
      const call = rejection(start(stop.signal));
      await prepare(call);
      stop.abort(reason);
      expect(await call).to.equal(reason);
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
    }

    it('does not connect if the signal is aborted before the call', async () => {
      expect(await rejection(start(AbortSignal.abort(reason)))).to.equal(reason);
      expect(setup.agents).to.have.length(0);
    });

    it('rejects while it connects, and closes a connection that opens later', async () => {
      const connecting = Promise.withResolvers<void>();
      setup.onConnect = () => connecting.promise;
      const stop = new AbortController();
      const call = rejection(start(stop.signal));
      await settle();
      stop.abort(reason);
      expect(await call).to.equal(reason);
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
      connecting.resolve();
      await settle();
      expect(setup.agents.map(({ closed }) => closed)).to.deep.equal([true]);
    });

    it('closes a connection on which the agent has not sent HELLO', async () => {
      setup.onConnect = () => undefined;
      await abortedWhen(settle);
      expect(setup.agents[0]?.closed).to.equal(true);
    });

    it('cancels the operation after OPEN, and reuses the connection', async () => {
      await abortedWhen(async () => {
        await setup.opened('start');
      });
      const [agent] = setup.agents;
      await agent?.next('CANCEL');
      agent?.json('RESULT', { started: true });
      await agent?.next('DONE');
      await setup.client.hello();
      expect(setup.agents).to.have.length(1);
    });

    it('cancels the operation after OPENED, and closes the connection if the agent does not answer', async () => {
      await abortedWhen(async () => {
        (await setup.opened('start')).agent.json('OPENED', {});
        await settle();
      });
      await setup.clock.advance(5_000);
      expect(setup.agents[0]?.closed).to.equal(true);
    });

    it('leaves the queue while it waits for a place', async () => {
      setup = new ScriptedClient({}, new ConnectionLimits({ maxControls: 1 }));
      const first = start();
      const { agent } = await setup.opened('start');
      await abortedWhen(settle);
      agent.json('RESULT', { started: true });
      await first;
      await setup.client.hello();
    });
  });

  context('when it manages connections', () => {
    it('opens no more connections than its limit, and serves waiting calls in order', async () => {
      setup = new ScriptedClient({}, new ConnectionLimits({ maxControls: 2 }));
      const calls = [start(), start(), start()];
      await setup.opened('start', 0);
      await setup.opened('start', 1);
      expect(setup.agents).to.have.length(2);
      setup.agents[1]?.json('RESULT', { started: true });
      await calls[1];
      (await setup.opened('start', 1)).agent.json('RESULT', { started: false });
      expect(await calls[2]).to.deep.equal({ started: false });
      setup.agents[0]?.json('RESULT', { started: true });
      await calls[0];
    });

    it('lets no stop wait behind transfers, and no upload behind downloads', async () => {
      setup = new ScriptedClient({}, new ConnectionLimits({ maxTransfers: 1 }));
      const stop = new AbortController();
      const signal = stop.signal;
      const transfers = [
        rejection(setup.client.send({ volume: 'v' }, { signal })),
        rejection(setup.client.send({ volume: 'v' }, { signal })),
        rejection(setup.client.receive({ volume: 'v' }, new PassThrough(), { signal })),
        rejection(setup.client.receive({ volume: 'v' }, new PassThrough(), { signal })),
      ];
      await setup.opened('send', 0);
      await setup.opened('receive', 1);
      expect(setup.agents).to.have.length(2);
      const stopping = setup.client.stop('p', 1);
      (await setup.opened('stop', 2)).agent.json('RESULT', PROCESS_RESULT);
      expect((await stopping).exitStatus).to.equal(0);
      stop.abort(new Error('stopped'));
      for (const transfer of transfers) expect((await transfer).message).to.equal('stopped');
      await setup.clock.advance(10_000);
    });

    it('keeps two idle connections, for half a minute', async () => {
      const calls = [start(), start(), start()];
      for (const index of [0, 1, 2]) (await setup.opened('start', index)).agent.json('RESULT', { started: true });
      await Promise.all(calls);
      await settle();
      expect(setup.agents.map(({ closed }) => closed)).to.deep.equal([false, false, true]);
      expect(setup.agents[2]?.types.at(-1)).to.equal('BYE');
      await setup.clock.advance(29_000);
      expect(setup.agents.map(({ closed }) => closed)).to.deep.equal([false, false, true]);
      await setup.clock.advance(2_000);
      expect(setup.agents.map(({ closed }) => closed)).to.deep.equal([true, true, true]);
    });

    it('opens a new connection if the idle one turns out to be dead', async () => {
      await setup.client.hello();
      const result = start();
      (await setup.opened('start', 0)).agent.lose(new Error('cut'));
      (await setup.opened('start', 1)).agent.json('RESULT', { started: true });
      expect(await result).to.deep.equal({ started: true });
    });

    it('does not retry if a new connection is lost', async () => {
      const failed = rejection(start());
      (await setup.opened('start')).agent.lose(new TypeError('cut'));
      expect(await failed).to.be.instanceOf(TypeError);
      expect(setup.agents).to.have.length(1);
    });

    it('returns HELLO only after the agent has answered', async () => {
      await setup.client.hello();
      await setup.client.hello();
      expect(setup.agents).to.have.length(1);
      expect(setup.agents[0]?.types).to.deep.equal(['HELLO', 'PING']);
      const [first] = setup.agents;
      if (first) first.answersPings = false;
      setup.onConnect = (agent) => agent.hello({ incarnation: 'new' });
      const greeting = setup.client.hello();
      await settle();
      first?.lose(new Error('cut'));
      expect((await greeting).incarnation).to.equal('new');
      expect(setup.agents).to.have.length(2);
    });

    it('removes an idle connection that is lost', async () => {
      await setup.client.hello();
      setup.agents[0]?.lose(new Error('cut'));
      await setup.client.hello();
      expect(setup.agents).to.have.length(2);
    });
  });

  context('when it is closed', () => {
    it('rejects calls that are in progress, connecting, waiting or made later', async () => {
      setup = new ScriptedClient({}, new ConnectionLimits({ maxControls: 2 }));
      const inProgress = rejection(start());
      await setup.opened('start', 0);
      setup.onConnect = () => undefined;
      const greeting = rejection(setup.client.hello());
      const second = rejection(start());
      await settle();
      const waiting = rejection(start());
      setup.client.close();
      setup.client.close();
      for (const call of [inProgress, greeting, second, waiting, rejection(start())])
        expect(await call).to.be.instanceOf(ClosedError);
      await settle();
    });
  });
});
