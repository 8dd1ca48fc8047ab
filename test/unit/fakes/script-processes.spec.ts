import { getEventListeners } from 'node:events';
import { PassThrough, Readable, Writable } from 'node:stream';

import { expect } from 'chai';
import sinon from 'sinon';

import {
  echoesStdin,
  type FakeCommand,
  FakeContainer,
  failsWith,
  hangs,
  prints,
  scriptProcesses,
} from '../../../fakes/index.ts';
import { type OutputChunk, PodEvictedError, type ProcessResult } from '../../../src/index.ts';
import { Collector } from '../../contract/worker/setup.ts';
import { rejection } from '../../support/rejection.ts';

/** The guarantees are those that test/contract/worker/processes.ts states for a worker. */
describe('scriptProcesses', () => {
  let container: FakeContainer;
  const task = { id: 'task', path: 'make' };

  beforeEach(() => {
    container = new FakeContainer({ handle: 'c-1' });
  });

  /** Runs the process to its end. */
  async function ran(): Promise<ProcessResult & { readonly stdout: string; readonly stderr: string }> {
    const [stdout, stderr] = [new Collector(), new Collector()];
    const process = await container.run(task, { stdout, stderr });
    return { ...(await process.wait()), stdout: stdout.text, stderr: stderr.text };
  }

  context('with a command that prints', () => {
    it('delivers stdout and stderr, text or bytes, and the exit status', async () => {
      scriptProcesses(container, prints({ stdout: 'out\n', stderr: Buffer.from('err\n'), exitStatus: 3 }));
      expect(await ran()).to.deep.equal({ exitStatus: 3, stdout: 'out\n', stderr: 'err\n' });
    });

    it('exits with 0 and prints nothing by default', async () => {
      scriptProcesses(container, prints());
      expect(await ran()).to.deep.equal({ exitStatus: 0, stdout: '', stderr: '' });
    });

    it('prints on stdout only if it has a terminal', async () => {
      scriptProcesses(container, prints({ stderr: 'err' }));
      const [stdout, stderr] = [new Collector(), new Collector()];
      await (await container.run({ ...task, tty: {} }, { stdout, stderr })).wait();
      expect([stdout.text, stderr.text]).to.deep.equal(['err', '']);
    });

    it('settles its wait() after the writables have accepted everything', async () => {
      scriptProcesses(container, prints({ stdout: 'x'.repeat(200_000) }));
      const accept: (() => void)[] = [];
      let writtenBytes = 0;
      const stdout = new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          writtenBytes += chunk.byteLength;
          accept.push(done);
        },
      });
      const process = await container.run(task, { stdout });
      const settled = sinon.spy();
      const waiting = process.wait().then(settled);
      while (writtenBytes < 200_000) {
        await new Promise(setImmediate);
        expect([accept.length, settled.callCount]).to.deep.equal([1, 0]);
        if (writtenBytes < 200_000) accept.pop()?.();
      }
      await new Promise(setImmediate);
      expect(settled.callCount).to.equal(0);
      accept.pop()?.();
      await waiting;
      expect(stdout.writableEnded).to.equal(false);
      for (const event of ['error', 'drain', 'close']) expect(stdout.listenerCount(event), event).to.equal(0);
    });

    it('continues without a writable that fails, and reports it', async () => {
      scriptProcesses(container, prints({ stdout: 'out', stderr: 'err', exitStatus: 2 }));
      const cause = new Error('the log is gone');
      const stdout = new Writable({ write: (_chunk, _encoding, done) => done(cause) });
      const stderr = new Collector();
      const process = await container.run(task, { stdout, stderr });
      expect(await process.wait()).to.deep.equal({ exitStatus: 2, undelivered: [{ stream: 'stdout', cause }] });
      expect([stderr.text, process.position()]).to.deep.equal(['err', { stdoutBytes: 3, stderrBytes: 3 }]);
    });

    it('reports a writable that is closed before or during a write', async () => {
      scriptProcesses(container, prints({ stdout: 'out' }));
      const before = new Collector().destroy();
      const during: Writable = new Writable({ write: () => void during.destroy() });
      for (const [stdout, problem] of [
        [before, 'is closed'],
        [during, 'was closed before all writes completed'],
      ] as const) {
        const { undelivered } = await (await container.run(task, { stdout })).wait();
        expect(undelivered?.map(({ cause }) => String(cause))).to.deep.equal([`Error: stdout of the host ${problem}`]);
      }
    });

    it('delivers chunks with offsets, waits for each of them, and repeats one that was not accepted', async () => {
      scriptProcesses(container, prints({ stdout: 'x'.repeat(100_000), stderr: 'err' }));
      const seen: [string, number, number][] = [];
      const output = async ({ stream, offset, bytes }: OutputChunk): Promise<void> => {
        seen.push([stream, offset, bytes.byteLength]);
        if (offset > 0) await new Promise(() => {});
      };
      const process = await container.run(task, { output });
      await new Promise(setImmediate);
      await process[Symbol.asyncDispose]();
      expect([seen, process.position()]).to.deep.equal([
        [
          ['stdout', 0, 65_536],
          ['stderr', 0, 3],
          ['stdout', 65_536, 34_464],
        ],
        { stdoutBytes: 65_536, stderrBytes: 3 },
      ]);
      const again: [string, number][] = [];
      const late = ({ stream, offset }: OutputChunk): void => void again.push([stream, offset]);
      await (await container.attach('task', { output: late }, { from: process.position() })).wait();
      expect(again).to.deep.equal([['stdout', 65_536]]);
    });

    it('continues without an output function that fails, and reports it', async () => {
      scriptProcesses(container, prints({ stdout: 'out', stderr: 'err', exitStatus: 2 }));
      const cause = new Error('the log is gone');
      const output = ({ stream }: OutputChunk): void => {
        if (stream === 'stdout') throw cause;
      };
      const process = await container.run(task, { output });
      expect(await process.wait()).to.deep.equal({ exitStatus: 2, undelivered: [{ stream: 'stdout', cause }] });
    });

    it('stores its result with the properties derived from it', async () => {
      scriptProcesses(container, prints({ exitStatus: 3 }));
      const options = { resultProperties: ({ exitStatus }: ProcessResult) => ({ status: String(exitStatus) }) };
      await container.setProperty('other', 'kept');
      await (await container.run(task, {}, options)).wait();
      expect(await container.properties()).to.deep.equal({ other: 'kept', status: '3' });
      expect(await container.findProcess('task')).to.deep.equal({
        id: 'task',
        state: 'ended',
        result: { exitStatus: 3 },
      });
    });

    it('stores nothing if the properties cannot be derived', async () => {
      scriptProcesses(container, prints());
      const cause = new Error('no properties');
      const process = await container.run(task, {}, { resultProperties: () => Promise.reject(cause) });
      expect(await rejection(process.wait())).to.equal(cause);
      expect(await container.findProcess('task')).to.deep.equal({ id: 'task', state: 'ended' });
    });
  });

  context('with a command that hangs', () => {
    const stopped = { exitStatus: 143, signal: 15 };

    beforeEach(() => {
      scriptProcesses(container, hangs({ stdout: 'ready\n' }));
    });

    it('ends with the signal that is sent to it', async () => {
      const process = await container.run(task, {});
      expect(await container.findProcess('task')).to.deep.equal({ id: 'task', state: 'running' });
      await process.signal(28);
      await process.signal(9);
      expect(await process.wait()).to.deep.equal({ exitStatus: 137, signal: 9 });
    });

    it('ends with a signal of the container, and with a stop, which stores the result', async () => {
      const process = await container.run(task, {});
      const other = await container.run({ ...task, id: 'other' }, {});
      await container.signalProcess('task', 2);
      expect(await process.wait()).to.deep.equal({ exitStatus: 130, signal: 2 });
      expect(await container.stopProcess('other')).to.deep.equal(stopped);
      expect(await container.listProcesses()).to.deep.equal([
        { id: 'other', state: 'ended', result: stopped },
        { id: 'task', state: 'ended', result: { exitStatus: 130, signal: 2 } },
      ]);
      expect(await other.wait()).to.deep.equal(stopped);
    });

    it('stops when the signal of wait() aborts, delivers its output, and rejects with the reason', async () => {
      const abort = new AbortController();
      const reason = new Error('the build was aborted');
      const stdout = new Collector();
      const process = await container.run(task, { stdout });
      const waiting = rejection(process.wait({ signal: abort.signal }));
      abort.abort(reason);
      expect(await waiting).to.equal(reason);
      expect(stdout.text).to.equal('ready\n');
      expect(getEventListeners(abort.signal, 'abort')).to.have.length(0);
      expect(await (await container.attach('task', {})).wait()).to.deep.equal(stopped);
    });

    it('continues when wait() is detached, and its output from the position of the error', async () => {
      const shutdown = new AbortController();
      const [first, second] = [new Collector(), new Collector()];
      const process = await container.run(task, { stdout: first });
      const waiting = rejection(process.wait({ detachSignal: shutdown.signal }));
      await first.shows('ready\n');
      shutdown.abort(new Error('the host shuts down'));
      const position = { stdoutBytes: 6, stderrBytes: 0 };
      expect(await waiting).to.deep.include({
        code: 'KW_ERR_PROCESS_DETACHED',
        processId: 'task',
        position,
        cause: shutdown.signal.reason,
      });
      expect(await container.findProcess('task')).to.deep.equal({ id: 'task', state: 'running' });
      const again = await container.run(task, { stdout: second }, { from: position });
      expect(again.startedByCall).to.equal(false);
      await container.stopProcess('task');
      expect(await again.wait({ detachSignal: new AbortController().signal })).to.deep.equal(stopped);
      expect(await again.wait({ detachSignal: AbortSignal.abort() })).to.deep.equal(stopped);
      expect(second.text).to.equal('');
    });

    it('continues without its disposed object, whose wait() rejects', async () => {
      const process = await container.run(task, {});
      await process[Symbol.asyncDispose]();
      expect((await rejection(process.wait())).code).to.equal('KW_ERR_CLOSED');
      expect((await container.findProcess('task'))?.state).to.equal('running');
    });

    it('counts what a slow writable has received when it is detached', async () => {
      const stdout = new Writable({ write: () => {} });
      const process = await container.run(task, { stdout });
      await new Promise(setImmediate);
      await process[Symbol.asyncDispose]();
      expect(process.position().stdoutBytes).to.equal(6);
    });
  });

  context('with a command that fails', () => {
    it('delivers its output, then rejects with the error, and stores nothing', async () => {
      const error = new PodEvictedError({ namespace: 'ci', podName: 'task-1' });
      scriptProcesses(container, failsWith(error, { stdout: 'half' }));
      const stdout = new Collector();
      const process = await container.run(task, { stdout });
      expect(await rejection(process.wait())).to.equal(error);
      expect(await rejection(container.stopProcess('task'))).to.equal(error);
      expect([stdout.text, await container.findProcess('task')]).to.deep.equal(['half', { id: 'task', state: 'lost' }]);
    });
  });

  context('with a command that echoes stdin', () => {
    beforeEach(() => {
      scriptProcesses(container, echoesStdin());
    });

    it('copies text and bytes, and ends with the stream', async () => {
      const stdout = new Collector();
      const process = await container.run(task, { stdin: Readable.from(['{"a":', Buffer.from('1}')]), stdout });
      expect((await process.wait()).exitStatus).to.equal(0);
      expect(stdout.text).to.equal('{"a":1}');
    });

    it('has an empty stdin if the host provides none', async () => {
      expect(await ran()).to.deep.equal({ exitStatus: 0, stdout: '', stderr: '' });
    });

    it('reads from run() from its first byte, and from attach() the next one', async () => {
      const [first, stdout] = [new PassThrough(), new Collector()];
      const process = await container.run(task, { stdin: first, stdout });
      first.write('one ');
      await stdout.shows('one ');
      await process[Symbol.asyncDispose]();
      expect([first.destroyed, first.listenerCount('readable')]).to.deep.equal([false, 0]);
      const second = new PassThrough();
      const again = await container.attach('task', { stdin: second, stdout }, { from: 'now' });
      second.write('two ');
      await stdout.shows('two ');
      await again[Symbol.asyncDispose]();
      const third = Readable.from(['one two three']);
      await (await container.run(task, { stdin: third, stdout }, { from: 'now' })).wait();
      expect(stdout.text).to.equal('one two three');
    });

    it('is stopped if the stream fails, and wait() rejects with the failure', async () => {
      const cause = new Error('the disk is gone');
      const stdin = new Readable({ read: () => stdin.destroy(cause) });
      expect(await rejection((await container.run(task, { stdin })).wait())).to.equal(cause);
      expect((await container.findProcess('task'))?.result).to.deep.equal({ exitStatus: 143, signal: 15 });
    });
  });

  context('with commands by process id', () => {
    beforeEach(() => {
      scriptProcesses(container, { task: prints({ stdout: '0123456789' }), check: hangs() });
    });

    it('runs the command of the id', async () => {
      expect((await ran()).stdout).to.equal('0123456789');
      await container.run({ id: 'check', path: 'sleep' }, {});
      expect((await container.listProcesses()).map(({ id, state }) => [id, state])).to.deep.equal([
        ['check', 'running'],
        ['task', 'ended'],
      ]);
    });

    it('rejects run() of another id, and attach() to one that was not started', async () => {
      expect((await rejection(container.run({ id: 'toString', path: 'a' }, {}))).message).to.equal(
        'FakeContainer.run of process "toString" was called, but the test has not stubbed it',
      );
      for (const call of [
        container.attach('task', {}),
        container.stopProcess('task'),
        container.signalProcess('task', 9),
      ])
        expect(await rejection(call)).to.include({
          code: 'KW_ERR_PROCESS_NOT_FOUND',
          processId: 'task',
          handle: 'c-1',
        });
    });

    it('starts an id once, and repeats its output from any offset', async () => {
      const first = await container.run(task, {});
      await first.wait();
      const stdout = new Collector();
      const again = await container.run(task, { stdout }, { from: { stdoutBytes: 5, stderrBytes: 0 } });
      await again.wait();
      expect([first.startedByCall, again.startedByCall, stdout.text]).to.deep.equal([true, false, '56789']);
    });

    it('refuses another command for a started id, unless the caller keeps it', async () => {
      await container.run({ ...task, env: ['A=1', 'B=2'] }, {});
      for (const spec of [task, { ...task, env: ['A=1', 'B=3'] }, { ...task, env: ['A=1', 'B=2'], tty: {} }]) {
        expect(await rejection(container.run(spec, {}))).to.include({
          code: 'KW_ERR_PROCESS_SPEC_CHANGED',
          processId: 'task',
        });
        expect((await container.run(spec, {}, { onSpecChange: 'keep' })).startedByCall).to.equal(false);
      }
      await container.run({ ...task, args: [], env: ['B=2', 'A=1'], dir: undefined }, {});
    });

    it('does not start with an aborted signal', async () => {
      const signal = AbortSignal.abort(new Error('before'));
      expect(await rejection(container.run(task, {}, { signal }))).to.equal(signal.reason);
      expect(await container.findProcess('task')).to.equal(undefined);
    });

    it('records the calls, and a test replaces the result of one id', async () => {
      const error = new Error('no such program');
      container.run.withArgs(sinon.match({ id: 'check' })).rejects(error);
      expect(await rejection(container.run({ id: 'check', path: 'a' }, {}))).to.equal(error);
      const process = await container.run(task, {});
      await process.wait();
      sinon.assert.callOrder(container.run, process.wait as sinon.SinonStub);
    });
  });

  it("runs a test's own command", async () => {
    const command: FakeCommand = async ({ spec, stdout }) => {
      stdout(`${spec.path} ${spec.args?.join(' ')}`);
      return { exitStatus: 0, oomKills: 1 };
    };
    scriptProcesses(container, command);
    const stdout = new Collector();
    const process = await container.run({ path: 'echo', args: ['a', 'b'] }, { stdout });
    expect(await process.wait()).to.deep.equal({ exitStatus: 0, oomKills: 1 });
    expect([stdout.text, process.id]).to.deep.equal(['echo a b', (await container.listProcesses())[0]?.id]);
  });
});
