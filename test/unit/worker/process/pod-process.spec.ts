import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';

import { expect } from 'chai';
import sinon from 'sinon';

import { ConnectionLimits } from '../../../../src/agent-client/session/connection-limits.ts';
import type { OutputChunk, ProcessIO, ProcessResult, Properties } from '../../../../src/runtime/process.ts';
import { type AttachTarget, PodProcess } from '../../../../src/worker/process/pod-process.ts';
import { Collector } from '../../../contract/worker/setup.ts';
import { readData, readEnd, readWindow, wireData, wireEnd, wireWindow } from '../../../support/agent/agent-wire.ts';
import { rejection } from '../../../support/rejection.ts';
import { PROCESS_RESULT, type ScriptedAgent, sha256 } from '../../../support/scripted-agent.ts';
import { cut, deleted, evicted, Gate, podOf, ScriptedPod } from '../../../support/scripted-pod.ts';
import { settle } from '../../../support/virtual-clock.ts';

describe('PodProcess', () => {
  let pod: ScriptedPod;
  let agent: ScriptedAgent;

  beforeEach(() => {
    pod = new ScriptedPod();
  });

  afterEach(async () => {
    await pod.close();
  });

  /** Lets the agent accept the attachment. Returns its OPEN frame. */
  async function opened(changes: object = {}): Promise<Record<string, unknown>> {
    const attached = await pod.attached(changes);
    agent = attached.agent;
    return attached.open;
  }

  /** Ends the command, with this output. */
  function end(result: object = {}, stdout: Buffer = Buffer.alloc(0)): void {
    agent.send(wireEnd(1, stdout.length, sha256(stdout)), wireEnd(2, 0, sha256(Buffer.alloc(0))));
    agent.json('RESULT', { ...PROCESS_RESULT, stdoutBytes: stdout.length, ...result });
  }

  /** Records how `waiting` has settled so far. */
  function watched(waiting: Promise<ProcessResult>): { result?: ProcessResult; error?: unknown } {
    const seen: { result?: ProcessResult; error?: unknown } = {};
    waiting.then(
      (result) => (seen.result = result),
      (error: unknown) => (seen.error = error),
    );
    return seen;
  }

  context('when its pod ends', () => {
    it('rejects with the deletion of its pod, and stores no result, if the command exits 0 on TERM [A19] [A30]', async () => {
      const process = pod.follow();
      const waiting = rejection(process.wait());
      await opened();
      pod.becomes(podOf('running', deleted));
      await settle();
      end({ shutdown: true });
      await settle();
      pod.becomes(podOf('terminated', deleted));
      expect(await waiting).to.include({ code: 'KW_ERR_POD_DELETED', mayStillRun: false });
      expect(pod.stored.size).to.equal(0);
    });

    it('rejects with the eviction of its pod for every exit status, even if the result precedes the eviction [A25]', async () => {
      for (const exitStatus of [0, 143]) {
        pod = new ScriptedPod();
        const waiting = rejection(pod.follow().wait());
        await opened();
        end({ exitStatus, shutdown: true });
        await settle();
        pod.becomes(podOf('terminated', { status: { ...evicted.status, phase: 'Failed', reason: 'Evicted' } }));
        expect(await waiting).to.include({ code: 'KW_ERR_POD_EVICTED', mayStillRun: false, retryable: true });
        expect(pod.stored.size).to.equal(0);
      }
    });

    it('rejects with OUTCOME_UNKNOWN if its agent received TERM and its pod stays', async () => {
      const waiting = rejection(pod.follow().wait());
      await opened();
      end({ shutdown: true });
      await settle();
      pod.becomes(podOf('restarted'));
      expect((await waiting).code).to.equal('KW_ERR_OUTCOME_UNKNOWN');
      expect(pod.stored.size).to.equal(0);
    });

    it('keeps the result of a command that had ended before', async () => {
      const waiting = pod.follow().wait();
      await opened();
      pod.becomes(podOf('running', deleted));
      await settle();
      end({ exitStatus: 143, signal: 15 });
      const times = { startedAt: new Date(1000), finishedAt: new Date(2000) };
      expect(await waiting).to.deep.equal({ exitStatus: 143, signal: 15, ...times });
      expect(pod.stored.get('x')).to.deep.include({ exitStatus: 143, signal: 15, ...times });
    });

    it('stores the digest of its specification, which the agent has kept', async () => {
      const specDigest = 'a'.repeat(64);
      const waiting = pod.follow().wait();
      await opened();
      end({ specDigest });
      expect(await waiting).to.not.have.property('specDigest');
      expect(pod.stored.get('x')).to.include({ specDigest });
    });

    it("rejects with the pod's end if a signal ended the command and its agent has protocol 2, which marks no results", async () => {
      pod = new ScriptedPod({}, new ConnectionLimits(), 2);
      const waiting = rejection(pod.follow().wait());
      await opened();
      pod.becomes(podOf('running', deleted));
      await settle();
      end({ exitStatus: 143, signal: 15 });
      await settle();
      pod.becomes(undefined);
      expect((await waiting).code).to.equal('KW_ERR_POD_DELETED');
      expect(pod.stored.size).to.equal(0);
    });

    it('rejects at the end of its pod, because its command may run during the grace period of an eviction', async () => {
      const seen = watched(pod.follow().wait());
      await opened();
      pod.becomes(podOf('running', evicted));
      await pod.setup.clock.advance(8_000);
      expect(seen).to.deep.equal({});
      pod.becomes(podOf('terminated', evicted));
      await settle();
      expect(seen.error).to.include({ code: 'KW_ERR_POD_EVICTED', mayStillRun: false });
    });

    it('rejects at the end of its pod also if the attachment is lost', async () => {
      const seen = watched(pod.follow().wait());
      await opened();
      pod.cutOff();
      pod.becomes(podOf('running', evicted));
      agent.lose(cut);
      await settle();
      expect(seen).to.deep.equal({});
      pod.becomes(undefined);
      await settle();
      expect(seen.error).to.have.property('mayStillRun', false);
    });
  });

  context('when its wait() is detached', () => {
    const detached = { code: 'KW_ERR_PROCESS_DETACHED', handle: 'box', processId: 'x' };

    it('rejects with the position that was delivered, without stopping the command', async () => {
      const shutdown = new AbortController();
      const waiting = rejection(pod.follow({ stdout: new Collector() }).wait({ detachSignal: shutdown.signal }));
      await opened();
      agent.send(wireData(1, 0, Buffer.from('some output')));
      await settle();
      shutdown.abort(new Error('shut down'));
      await settle();
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      expect(await waiting).to.deep.include({
        ...detached,
        position: { stdoutBytes: 11, stderrBytes: 0 },
        cause: shutdown.signal.reason,
      });
      expect(agent.types).to.include('CANCEL').and.not.include('STOP');
      expect(pod.stored.size).to.equal(0);
    });

    it('does not count a chunk that its output function has not accepted', async () => {
      const shutdown = new AbortController();
      const offsets: number[] = [];
      const output = async ({ offset }: OutputChunk): Promise<void> => {
        offsets.push(offset);
        if (offset > 0) await new Promise(() => {});
      };
      const waiting = rejection(pod.follow({ output }).wait({ detachSignal: shutdown.signal }));
      await opened();
      agent.send(wireData(1, 0, Buffer.from('some ')), wireData(1, 5, Buffer.from('output')));
      await settle();
      shutdown.abort();
      await settle();
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      expect(await waiting).to.deep.include({ ...detached, position: { stdoutBytes: 5, stderrBytes: 0 } });
      expect(offsets).to.deep.equal([0, 5]);
    });

    it('rejects with the position to start from before it is attached', async () => {
      pod.cutOff();
      const process = pod.follow({}, { from: { stdoutBytes: 5, stderrBytes: 7 } });
      const error = await rejection(process.wait({ detachSignal: AbortSignal.abort() }));
      expect(error).to.deep.include({ ...detached, position: { stdoutBytes: 5, stderrBytes: 7 } });
    });

    it('rejects in every wait() that has the signal, and in others with ClosedError', async () => {
      const shutdown = new AbortController();
      const process = pod.follow();
      const options = { detachSignal: shutdown.signal };
      const waits = [process.wait(options), process.wait(options), process.wait()].map(rejection);
      await opened();
      shutdown.abort();
      await settle();
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      const codes = (await Promise.all(waits)).map(({ code }) => code);
      expect(codes).to.deep.equal(['KW_ERR_PROCESS_DETACHED', 'KW_ERR_PROCESS_DETACHED', 'KW_ERR_CLOSED']);
    });

    it('returns the result of a command that has ended by then', async () => {
      const process = pod.follow();
      const ended = process.wait();
      await opened();
      end({ exitStatus: 3 });
      const result = await ended;
      expect(result).to.include({ exitStatus: 3 });
      expect(await process.wait({ detachSignal: AbortSignal.abort() })).to.equal(result);
    });

    it('stops the command if the other signal aborts at the same moment', async () => {
      const [stop, shutdown] = [new AbortController(), new AbortController()];
      const waiting = rejection(pod.follow().wait({ signal: stop.signal, detachSignal: shutdown.signal }));
      await opened();
      shutdown.abort();
      stop.abort(new Error('stop'));
      await settle();
      end({ exitStatus: 143, signal: 15 });
      expect((await waiting).message).to.equal('stop');
      expect(agent.types).to.include('STOP');
    });
  });

  context('when only its stored result remains', () => {
    it('reports the bytes that a slow reader does not receive', async () => {
      const stdout = new Gate();
      const content = randomBytes(2_948_894);
      const waiting = pod.follow({ stdout }).wait();
      await opened();
      agent.send(
        wireData(1, 0, content.subarray(0, 262_144)),
        wireData(1, 262_144, content.subarray(262_144, 524_288)),
      );
      await settle();
      pod.stored.set('x', {
        exitStatus: 0,
        signal: undefined,
        oomKills: 0,
        stdoutBytes: content.length,
        stderrBytes: 0,
      });
      pod.becomes(undefined);
      await settle();
      stdout.open();
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      const { exitStatus, undelivered = [] } = await waiting;
      expect([exitStatus, undelivered.map(({ stream }) => stream)]).to.deep.equal([0, ['stdout']]);
      expect(undelivered[0]?.cause).to.include({
        code: 'KW_ERR_OUTPUT_FREED',
        fromBytes: 262_144,
        toBytes: content.length,
      });
    });

    it('reports output of unknown size', async () => {
      pod.stored.set('x', { exitStatus: 0, signal: undefined, oomKills: 0 });
      pod.becomes(undefined);
      const unknown = async (io: ProcessIO): Promise<unknown[]> => {
        const { undelivered = [] } = await pod.follow(io).wait();
        return undelivered.map(({ stream, cause }) => [stream, (cause as { code: string }).code]);
      };
      const [stdout, stderr] = ['stdout', 'stderr'].map((stream) => [stream, 'KW_ERR_OUTCOME_UNKNOWN']);
      expect(await unknown({ stdout: new Collector() })).to.deep.equal([stdout]);
      expect(await unknown({ output: () => {} })).to.deep.equal([stdout, stderr]);
    });
  });

  it('reads no more of its stdin when the command has ended, while its result cannot be stored', async () => {
    const stored = Promise.withResolvers<object>();
    let reads = 0;
    const stdin = new Readable({
      highWaterMark: 1,
      read() {
        reads += 1;
        // A source without an end would never leave the loop.
        this.push(reads < 1000 ? Buffer.alloc(16) : null);
      },
    });
    const resultProperties = async (): Promise<Properties> => {
      await stored.promise;
      return {};
    };
    const waiting = pod.follow({ stdin }, { resultProperties }).wait();
    await opened({ stdin: { from: 0, ended: false } });
    agent.send(wireWindow(0, 0, 64));
    await settle();
    end();
    await settle();
    const readByThen = reads;
    expect(readByThen).to.be.lessThan(20);
    await settle();
    expect([reads, stdin.destroyed]).to.deep.equal([readByThen, false]);
    stored.resolve({});
    expect((await waiting).exitStatus).to.equal(0);
  });

  context('when another host takes over its stdin', () => {
    const mine = { stdin: { from: 0, ended: false } };

    it('sends the rest of the same input, and its end, after the other host has detached', async () => {
      const stdin = new PassThrough();
      const waiting = pod.follow({ stdin }).wait();
      await opened(mine);
      agent.send(wireWindow(0, 0, 1000));
      stdin.write('0123');
      await settle();
      await agent.next('WINDOW');
      await agent.next('WINDOW');
      expect(readData(await agent.next('DATA'))).to.deep.include({ offset: 0, bytes: Buffer.from('0123') });
      agent.json('PROGRESS', { stdin: { owner: false } });
      stdin.end('456789');
      await settle();
      expect(agent.frames, 'sent while another host has stdin').to.deep.equal([]);
      // The other host has sent the same bytes up to here.
      agent.json('PROGRESS', { stdin: { owner: true, from: 6, ended: false } });
      agent.send(wireWindow(0, 6, 1000));
      await settle();
      expect(readData(await agent.next('DATA'))).to.deep.include({ offset: 6, bytes: Buffer.from('6789') });
      expect(readEnd(await agent.next('END'))).to.deep.equal({
        stream: 0,
        total: 10,
        digest: sha256(Buffer.from('6789')).toString('hex'),
      });
      end();
      expect((await waiting).exitStatus).to.equal(0);
    });

    it('sends the bytes that were typed in the meantime after those of the other host', async () => {
      const stdin = new PassThrough();
      const waiting = pod.follow({ stdin }, { stdinFrom: 'here' }).wait();
      await opened({ stdin: { from: 100, ended: false } });
      agent.send(wireWindow(0, 100, 1000));
      stdin.write('mine ');
      await settle();
      agent.json('PROGRESS', { stdin: { owner: false } });
      stdin.write('typed ');
      await settle();
      agent.frames.length = 0;
      agent.json('PROGRESS', { stdin: { owner: true, from: 120, ended: false } });
      agent.send(wireWindow(0, 120, 1000));
      stdin.end('later');
      await settle();
      const sent: Buffer[] = [];
      let offset = 120;
      while (agent.frames[0]?.type === 'DATA') {
        const data = readData(await agent.next('DATA'));
        expect(data.offset).to.equal(offset);
        offset += data.bytes.length;
        sent.push(data.bytes);
      }
      expect(Buffer.concat(sent).toString()).to.equal('typed later');
      expect(readEnd(await agent.next('END'))).to.include({ total: 131 });
      end();
      await waiting;
    });

    it('sends nothing if the other host has ended stdin', async () => {
      const stdin = new PassThrough();
      const waiting = pod.follow({ stdin }).wait();
      await opened(mine);
      agent.json('PROGRESS', { stdin: { owner: false } });
      agent.json('PROGRESS', { stdin: { owner: true, from: 3, ended: true } });
      stdin.end('abcdef');
      await settle();
      expect(agent.types).not.to.include('DATA');
      end();
      await waiting;
    });
  });

  context('when it ran before with another stdin', () => {
    it("stops the command and rejects if its stdin ends before the agent's offset", async () => {
      const stdin = new PassThrough();
      const waiting = rejection(pod.follow({ stdin }).wait());
      await opened({ stdin: { from: 2 ** 52, ended: false } });
      stdin.end('short');
      await settle();
      expect(agent.types).to.include('STOP');
      end({ exitStatus: 143, signal: 15 });
      expect(await waiting).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'stdin' });
    });
  });

  context('when more processes are followed than there are places', () => {
    let limits: ConnectionLimits;

    beforeEach(() => {
      limits = new ConnectionLimits({ maxAttachments: 1 });
      pod = new ScriptedPod({}, limits);
    });

    it('can be stopped while it waits for a place', async () => {
      pod.follow();
      await opened();
      const second = pod.follow({}, { processId: 'second' });
      const stop = new AbortController();
      const waiting = rejection(second.wait({ signal: stop.signal }));
      await settle();
      stop.abort(new Error('enough'));
      const stopping = await pod.setup.opened('stop');
      expect(stopping.open).to.include({ process: 'second' });
      stopping.agent.json('OPENED', {});
      stopping.agent.json('RESULT', { ...PROCESS_RESULT, exitStatus: 143, signal: 15 });
      expect((await waiting).message).to.equal('enough');
    });

    it('attaches when another process has ended', async () => {
      const first = pod.follow().wait();
      await opened();
      const second = pod.follow({}, { processId: 'second' }).wait();
      await settle();
      expect(pod.setup.agents).to.have.length(1);
      end();
      await first;
      expect((await opened())['process']).to.equal('second');
      end({ exitStatus: 2 });
      expect((await second).exitStatus).to.equal(2);
    });

    it('keeps its place after a lost connection', async () => {
      const first = pod.follow().wait();
      await opened();
      const second = pod.follow({}, { processId: 'second' }).wait();
      await settle();
      agent.lose(cut);
      await settle();
      expect(pod.setup.agents).to.have.length(2);
      expect((await opened())['process']).to.equal('x');
      end();
      await first;
      expect((await opened())['process']).to.equal('second');
      end();
      await second;
    });
  });

  context('when its wait() is aborted', () => {
    it('is stopped over its attachment, without another place', async () => {
      const stop = new AbortController();
      const waiting = rejection(pod.follow().wait({ signal: stop.signal }));
      await opened();
      stop.abort(new Error('enough'));
      await settle();
      expect(agent.types).to.include('STOP');
      expect(pod.setup.agents).to.have.length(1);
      end({ exitStatus: 143, signal: 15 });
      expect((await waiting).message).to.equal('enough');
    });

    it('is stopped over another connection if its attachment has no effect', async () => {
      const stop = new AbortController();
      const waiting = rejection(pod.follow().wait({ signal: stop.signal }));
      await opened();
      stop.abort(new Error('enough'));
      await pod.setup.clock.advance(12_000);
      expect((await pod.setup.opened('stop')).open).to.include({ process: 'x' });
      await pod.setup.clock.advance(8_000);
      expect((await waiting).message).to.equal('enough');
    });

    it('is stopped on the next attachment as well if the last one is lost', async () => {
      const stop = new AbortController();
      const waiting = rejection(pod.follow().wait({ signal: stop.signal }));
      await opened();
      stop.abort(new Error('enough'));
      await settle();
      agent.lose(cut);
      await settle();
      await opened();
      expect(agent.types).to.include('STOP');
      end({ exitStatus: 143, signal: 15 });
      expect((await waiting).message).to.equal('enough');
    });
  });

  context('when its disk is full', () => {
    it('acknowledges delivered output at once, and continues', async () => {
      const waiting = pod.follow({ stdout: new Collector() }).wait();
      await opened();
      agent.data(1, 0, Buffer.alloc(10));
      await settle();
      agent.frames.length = 0;
      agent.json('PROGRESS', { diskFull: true });
      await settle();
      const durable = () => agent.frames.map(readWindow).filter((window) => window.durable && window.stream === 1);
      expect(durable()).to.deep.include({ stream: 1, acknowledged: 10, limit: 10 + 1024 * 1024, durable: true });
      expect(pod.warnings).to.include('disk full, process blocked');
      agent.data(1, 10, Buffer.alloc(5));
      await settle();
      expect(durable().at(-1)).to.include({ acknowledged: 15 });
      agent.json('PROGRESS', { diskFull: false });
      await pod.setup.clock.advance(70_000);
      expect(agent.types).not.to.include('STOP');
      end({}, Buffer.alloc(15));
      expect((await waiting).exitStatus).to.equal(0);
    });

    it('stops the command after a minute without progress, and rejects', async () => {
      const waiting = rejection(pod.follow({ stdout: new Collector() }).wait());
      await opened();
      agent.json('PROGRESS', { diskFull: true });
      await pod.setup.clock.advance(50_000);
      agent.data(1, 0, Buffer.alloc(10));
      await settle();
      await pod.setup.clock.advance(50_000);
      expect(agent.types, 'stopped although output came').not.to.include('STOP');
      await pod.setup.clock.advance(20_000);
      expect(agent.types).to.include('STOP');
      end({ exitStatus: 143, signal: 15 }, Buffer.alloc(10));
      expect(await waiting).to.include({ code: 'KW_ERR_DISK_FULL' });
    });

    it('rejects even if its result never arrives', async () => {
      const waiting = rejection(pod.follow().wait());
      await opened();
      agent.json('PROGRESS', { diskFull: true });
      await pod.setup.clock.advance(70_000);
      await pod.setup.clock.advance(20_000);
      expect(await waiting).to.include({ code: 'KW_ERR_DISK_FULL' });
    });
  });

  context('when its outputs may be saved', () => {
    const hosts: readonly (readonly [string, Partial<AttachTarget>, isHijack: boolean, saves: number, asks: number])[] =
      [
        ['saves them for a process that the call has started', { startedByCall: true }, false, 1, 0],
        ['saves none for a hijack of the call', { hijack: true, startedByCall: true }, true, 0, 0],
        [
          'saves none for a hijack whose first start was not confirmed',
          { hijack: true, startedByCall: false },
          false,
          0,
          0,
        ],
        ['asks about a process that another call has started', { startedByCall: false }, false, 1, 1],
        ['saves none for a hijack that another call has started', { startedByCall: undefined }, true, 0, 1],
      ];
    for (const [title, target, isHijack, saves, asks] of hosts)
      it(title, async () => {
        const save = sinon.fake.resolves([]);
        const asked = sinon.fake.resolves(isHijack);
        const marks = { recordHijack: async () => {}, endHijack: async () => {}, isHijack: asked };
        const containers = { ...pod.components.containers, ...marks };
        const components = { ...pod.components, containers, outputs: { save } };
        const waiting = PodProcess.follow(pod.target({}, target), components).wait();
        await opened();
        end({ exitStatus: 3 });
        expect((await waiting).exitStatus).to.equal(3);
        expect([save.callCount, asked.callCount, pod.stored.size]).to.deep.equal([saves, asks, 1]);
      });
  });

  context('when it is observed', () => {
    it('returns its result, and stores nothing', async () => {
      const stdout = new Collector();
      const waiting = pod.follow({ stdout }, { observe: true }).wait();
      await opened();
      agent.data(1, 0, Buffer.from('out'));
      await settle();
      end({ exitStatus: 3 }, Buffer.from('out'));
      expect((await waiting).exitStatus).to.equal(3);
      expect(stdout.text).to.equal('out');
      expect(pod.stored.size).to.equal(0);
    });

    it('acknowledges no output and stops no command, also on a full disk', async () => {
      const waiting = pod.follow({ stdout: new Collector() }, { observe: true }).wait();
      await opened();
      agent.data(1, 0, Buffer.alloc(10));
      agent.json('PROGRESS', { diskFull: true });
      await settle();
      await pod.setup.clock.advance(70_000);
      expect(agent.frames.map(readWindow).filter(({ durable }) => durable)).to.deep.equal([]);
      expect(agent.types).not.to.include('STOP');
      end({}, Buffer.alloc(10));
      expect((await waiting).exitStatus).to.equal(0);
    });
  });
});
