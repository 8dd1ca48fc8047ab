import { expect } from 'chai';

import type { OutputChunk } from '../../../../src/runtime/process.ts';
import { ChunkSink } from '../../../../src/worker/output/chunk-sink.ts';
import { rejection } from '../../../support/rejection.ts';

describe('ChunkSink', () => {
  const bytes = Buffer.from('output');

  it('delivers the chunk with its stream and its offset, and waits until it is accepted', async () => {
    const accepted = Promise.withResolvers<void>();
    const seen: OutputChunk[] = [];
    const sink = new ChunkSink('stderr', (chunk) => {
      seen.push(chunk);
      return accepted.promise;
    });
    let delivered = false;
    const delivering = sink.deliver(bytes, 7).then(() => {
      delivered = true;
    });
    await new Promise(setImmediate);
    expect([seen, delivered]).to.deep.equal([[{ stream: 'stderr', offset: 7, bytes }], false]);
    accepted.resolve();
    await delivering;
    await sink.flush();
    expect(sink.failure).to.equal(undefined);
  });

  for (const [kind, cause] of Object.entries({ throws: new Error('thrown'), rejects: new Error('rejected') })) {
    it(`records the error with which the function ${kind}, and discards further output`, async () => {
      let calls = 0;
      const sink = new ChunkSink('stdout', () => {
        calls += 1;
        if (kind === 'throws') throw cause;
        return Promise.reject(cause);
      });
      await sink.deliver(bytes, 0);
      await sink.deliver(bytes, 6);
      expect([sink.failure, calls]).to.deep.equal([{ stream: 'stdout', cause }, 1]);
    });
  }

  it('rejects for a pending chunk when it is released, and does not report a later failure', async () => {
    const accepted = Promise.withResolvers<void>();
    const sink = new ChunkSink('stdout', () => accepted.promise);
    const delivering = rejection(sink.deliver(bytes, 0));
    sink.release();
    sink.release();
    expect((await delivering).code).to.equal('KW_ERR_CLOSED');
    accepted.reject(new Error('late'));
    await new Promise(setImmediate);
  });
});
