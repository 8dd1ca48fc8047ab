import { Writable } from 'node:stream';

import { expect } from 'chai';

import { OutputSink } from '../../../../src/worker/output/output-sink.ts';

describe('OutputSink', () => {
  const bytes = Buffer.from('output');
  const settled = async (promise: Promise<unknown>): Promise<boolean> =>
    await Promise.race([
      promise.then(() => true),
      new Promise<boolean>((resolve) => setImmediate(() => resolve(false))),
    ]);

  it('delivers to the writable, and flush() resolves when all writes have completed', async () => {
    const done: (() => void)[] = [];
    const sink = new OutputSink(
      'stdout',
      new Writable({ write: (_chunk, _encoding, callback) => void done.push(callback) }),
    );
    await sink.deliver(bytes);
    const flushed = sink.flush();
    expect(await settled(flushed)).to.equal(false);
    done[0]!();
    expect(await settled(flushed)).to.equal(true);
  });

  it('waits while the writable is full', async () => {
    const done: (() => void)[] = [];
    const sink = new OutputSink(
      'stdout',
      new Writable({ highWaterMark: 1, write: (_chunk, _encoding, callback) => void done.push(callback) }),
    );
    const delivered = sink.deliver(bytes);
    expect(await settled(delivered)).to.equal(false);
    done[0]!();
    expect(await settled(delivered)).to.equal(true);
  });

  it("records the writable's error, and discards further output", async () => {
    const cause = new Error('full');
    const sink = new OutputSink('stderr', new Writable({ write: (_chunk, _encoding, callback) => callback(cause) }));
    await sink.deliver(bytes);
    await sink.flush();
    await sink.deliver(bytes);
    expect(sink.failure).to.deep.equal({ stream: 'stderr', cause });
  });

  it('records the failure of a writable that is closed during a write or before it', async () => {
    const never = new Writable({ write: () => {} });
    const sink = new OutputSink('stdout', never);
    await sink.deliver(bytes);
    const flushed = sink.flush();
    never.destroy();
    await flushed;
    expect(sink.failure?.stream).to.equal('stdout');
    const late = new OutputSink('stdout', never);
    await late.deliver(bytes);
    expect(late.failure?.stream).to.equal('stdout');
  });

  it('release() removes every listener', () => {
    const writable = new Writable();
    const sink = new OutputSink('stdout', writable);
    sink.release();
    expect(writable.eventNames()).to.deep.equal([]);
  });

  it('release() handles the error of a write that is pending, and then removes the last listener', async () => {
    const pending: ((error?: Error) => void)[] = [];
    const writable = new Writable({ write: (_chunk, _encoding, done) => void pending.push(done) });
    const sink = new OutputSink('stdout', writable);
    await sink.deliver(bytes);
    sink.release();
    pending.shift()!(new Error('disk full'));
    await new Promise(setImmediate);
    expect(sink.failure?.cause).to.have.property('message', 'disk full');
    expect(writable.eventNames()).to.deep.equal([]);
  });

  it('release() removes the last listener when the pending writes have completed', async () => {
    const pending: (() => void)[] = [];
    const writable = new Writable({ write: (_chunk, _encoding, done) => void pending.push(done) });
    const sink = new OutputSink('stdout', writable);
    await sink.deliver(bytes);
    sink.release();
    pending.shift()!();
    await new Promise(setImmediate);
    expect(writable.eventNames()).to.deep.equal([]);
    expect(sink.failure).to.equal(undefined);
  });

  it('discards output without a writable', async () => {
    const sink = new OutputSink('stdout', undefined);
    await sink.deliver(bytes);
    await sink.flush();
    expect(sink.failure).to.equal(undefined);
  });
});
