import { expect } from 'chai';

import { FakeContainer, FakeProcess } from '../../../../fakes/index.ts';
import type { OutputChunk, ProcessPosition } from '../../../../src/index.ts';
import { currentEnd, observeOutput } from '../../../../src/service/cli/observed-output.ts';
import { rejection } from '../../../support/rejection.ts';

const start = { stdoutBytes: 0, stderrBytes: 0 };

function chunk(stream: OutputChunk['stream'], offset: number, text: string): OutputChunk {
  return { stream, offset, bytes: Buffer.from(text) };
}

describe('the output of an observed process', () => {
  let container: FakeContainer;
  let process: FakeProcess;
  let written: string[];

  beforeEach(() => {
    container = new FakeContainer({ handle: 'c' });
    process = new FakeProcess({ id: 'task' });
    process.wait.returns(new Promise(() => {}));
    written = [];
  });

  function prints(...chunks: readonly OutputChunk[]): void {
    container.attach.callsFake(async (_id, { output }) => {
      const deliver = async (): Promise<void> => {
        for (const each of chunks) await output?.(each);
      };
      deliver().catch(() => {});
      return process;
    });
  }

  function observe(end?: ProcessPosition, signal = new AbortController().signal): Promise<readonly string[]> {
    const write = async ({ stream, bytes }: Pick<OutputChunk, 'stream' | 'bytes'>): Promise<void> => {
      written.push(`${stream}: ${Buffer.from(bytes).toString()}`);
    };
    return observeOutput(container, { processId: 'task', from: start, end, write, signal });
  }

  it('is read by an observer', async () => {
    prints();
    await observe(start);
    expect(container.attach.firstCall.args[2]).to.deep.include({ from: start, observe: true });
    expect(process[Symbol.asyncDispose].callCount).to.equal(1);
  });

  it('stops at the end that was set in both streams, within a chunk', async () => {
    prints(
      chunk('stdout', 0, 'one'),
      chunk('stderr', 0, 'err'),
      chunk('stdout', 3, 'two'),
      chunk('stdout', 6, 'three'),
    );
    expect(await observe({ stdoutBytes: 5, stderrBytes: 3 })).to.deep.equal([]);
    expect(written).to.deep.equal(['stdout: one', 'stderr: err', 'stdout: tw']);
  });

  it('continues to the end of the process without one', async () => {
    prints(chunk('stdout', 0, 'one'));
    process.wait.resolves({ exitStatus: 0, undelivered: [{ stream: 'stdout', cause: new Error('lost') }] });
    expect(await observe()).to.deep.equal(['lost']);
    expect(written).to.deep.equal(['stdout: one']);
  });

  it('describes what the pod no longer keeps', async () => {
    prints(chunk('stdout', 10, 'x'));
    expect(await observe({ stdoutBytes: 11, stderrBytes: 0 })).to.deep.equal([
      'stdout: the pod no longer keeps bytes 0 to 10',
    ]);
  });

  it('rejects with the reason of the signal, and detaches', async () => {
    prints();
    const interrupt = new AbortController();
    const waiting = rejection(observe(undefined, interrupt.signal));
    const reason = new Error('interrupted');
    interrupt.abort(reason);
    expect(await waiting).to.equal(reason);
    expect(process[Symbol.asyncDispose].callCount).to.equal(1);
  });

  it('rejects if a chunk cannot be written', async () => {
    prints(chunk('stdout', 0, 'one'));
    const cause = new Error('full');
    const write = (): Promise<void> => Promise.reject(cause);
    const signal = new AbortController().signal;
    expect(await rejection(observeOutput(container, { processId: 'task', from: start, write, signal }))).to.equal(
      cause,
    );
  });

  it('ends now where the process has printed to', async () => {
    const end = { stdoutBytes: 7, stderrBytes: 1 };
    container.attach.resolves(process);
    process.position.returns(end);
    expect(await currentEnd(container, 'task', new AbortController().signal)).to.equal(end);
    expect(container.attach.firstCall.args[2]).to.deep.include({ from: 'now', observe: true });
  });
});
