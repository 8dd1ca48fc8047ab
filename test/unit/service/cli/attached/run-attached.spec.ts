import { PassThrough } from 'node:stream';

import { expect } from 'chai';
import sinon from 'sinon';

import { FakeContainer, FakeProcess } from '../../../../../fakes/index.ts';
import { runAttached } from '../../../../../src/service/cli/attached/run-attached.ts';
import type { CliContext } from '../../../../../src/service/cli/cli-context.ts';
import { rejection } from '../../../../support/rejection.ts';

describe('a command with the streams of the command line', () => {
  let container: FakeContainer;
  let command: FakeProcess;
  let ended: PromiseWithResolvers<{ exitStatus: number }>;
  let interrupt: AbortController;
  let setRawMode: sinon.SinonSpy;
  let context: CliContext;
  let stdout: PassThrough & { isTTY?: boolean; columns?: number; rows?: number };

  beforeEach(() => {
    container = new FakeContainer();
    command = new FakeProcess();
    ended = Promise.withResolvers();
    container.run.resolves(command);
    command.wait.returns(ended.promise);
    command.resize.resolves();
    interrupt = new AbortController();
    setRawMode = sinon.spy();
    stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 100, rows: 30 });
    context = {
      stdin: Object.assign(new PassThrough(), { isTTY: true, setRawMode }),
      stdout,
      stderr: new PassThrough(),
      env: {},
      signal: interrupt.signal,
    };
  });

  const interactive = { stdin: true, tty: true };
  const spec = { path: 'sh' };

  it('has a terminal of the same size, which is raw until the end', async () => {
    const running = runAttached(container, spec, interactive, context);
    await new Promise(setImmediate);
    const [given, io] = container.run.getCall(0).args;
    expect(given).to.deep.equal({ path: 'sh', tty: { windowSize: { columns: 100, rows: 30 } } });
    expect([io.stdin, io.stdout, io.stderr]).to.deep.equal([context.stdin, context.stdout, context.stderr]);
    expect(setRawMode.args).to.deep.equal([[true]]);
    ended.resolve({ exitStatus: 3 });
    expect((await running).exitStatus).to.equal(3);
    expect(setRawMode.args).to.deep.equal([[true], [false]]);
    expect(context.stdin.destroyed).to.equal(true);
  });

  it('restores the terminal if the command cannot start or its connection is lost', async () => {
    const listeners = process.listenerCount('exit');
    container.run.rejects(new Error('no such program'));
    expect((await rejection(runAttached(container, spec, interactive, context))).message).to.equal('no such program');
    expect(setRawMode.args).to.deep.equal([[true], [false]]);
    container.run.resolves(command);
    ended.reject(new Error('lost'));
    expect((await rejection(runAttached(container, spec, interactive, context))).message).to.equal('lost');
    expect(setRawMode.args).to.deep.equal([[true], [false], [true], [false]]);
    expect(process.listenerCount('exit')).to.equal(listeners);
  });

  it('follows the size with one call at a time, and ends with the last size', async () => {
    const first = Promise.withResolvers<void>();
    command.resize.onCall(0).returns(first.promise);
    const running = runAttached(container, spec, interactive, context);
    await new Promise(setImmediate);
    for (const columns of [101, 102, 103]) {
      stdout.columns = columns;
      stdout.emit('resize');
    }
    expect(command.resize.callCount).to.equal(1);
    first.reject(new Error('the connection is lost'));
    await new Promise(setImmediate);
    expect(command.resize.args.map(([size]) => size.columns)).to.deep.equal([101, 103]);
    ended.resolve({ exitStatus: 0 });
    await running;
    stdout.emit('resize');
    expect([command.resize.callCount, stdout.listenerCount('resize')]).to.deep.equal([2, 0]);
  });

  it('is stopped by an interruption', async () => {
    const running = runAttached(container, spec, interactive, context);
    await new Promise(setImmediate);
    const signal = command.wait.getCall(0).args[0]?.signal;
    interrupt.abort(new Error('interrupted'));
    expect(signal?.aborted).to.equal(true);
    ended.reject(new Error('interrupted'));
    expect((await rejection(running)).message).to.equal('interrupted');
  });

  it('warns of output that is missing', async () => {
    command.wait.resolves({
      exitStatus: 2,
      undelivered: [{ stream: 'stdout', cause: new Error('bytes 0 to 9\u001b') }],
    });
    expect((await runAttached(container, spec, { stdin: false, tty: false }, context)).exitStatus).to.equal(2);
    expect(String((context.stderr as PassThrough).read())).to.equal(
      'warning: stdout is incomplete: bytes 0 to 9\\u{1b}\n',
    );
  });

  it('has neither a terminal nor stdin if it is given none', async () => {
    ended.resolve({ exitStatus: 0 });
    await runAttached(container, spec, { stdin: false, tty: false }, context);
    const [given, io] = container.run.getCall(0).args;
    expect([given, 'stdin' in io, setRawMode.callCount]).to.deep.equal([{ path: 'sh' }, false, 0]);
    expect(context.stdin.destroyed).to.equal(false);
  });
});
