import { expect } from 'chai';

import { ChunkQueue } from '../../../../src/service/status/routes/chunk-queue.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle } from '../../../support/virtual-clock.ts';

describe('A queue of chunks', () => {
  const textOf = async (queue: ChunkQueue): Promise<string> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of queue) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };

  it('passes all chunks of two writers, each in order, up to the end', async () => {
    const queue = new ChunkQueue(new AbortController().signal);
    const write = async (texts: string): Promise<void> => {
      for (const text of texts) await queue.push(Buffer.from(text));
    };
    const text = textOf(queue);
    await Promise.all([write('abc'), write('123')]);
    queue.end();
    expect((await text).replace(/\d/g, '')).to.equal('abc');
    expect((await text).replace(/\D/g, '')).to.equal('123');
  });

  it('holds one chunk, until the reader asks for the next one', async () => {
    const queue = new ChunkQueue(new AbortController().signal);
    let taken = 0;
    void queue.push(Buffer.from('a')).then(() => (taken += 1));
    void queue.push(Buffer.from('b')).then(() => (taken += 1));
    const reader = queue[Symbol.asyncIterator]();
    await reader.next();
    await settle();
    expect(taken).to.equal(0);
    expect(Buffer.from((await reader.next()).value).toString()).to.equal('b');
    await settle();
    expect(taken).to.equal(1);
  });

  it('releases its writers when the reader leaves or the signal aborts', async () => {
    const left = new ChunkQueue(new AbortController().signal);
    const pushed = [left.push(Buffer.from('a')), left.push(Buffer.from('b'))];
    for await (const _ of left) break;
    await Promise.all(pushed);
    const stop = new AbortController();
    const aborted = new ChunkQueue(stop.signal);
    const reading = textOf(aborted);
    stop.abort(new Error('stopped'));
    expect(await rejection(reading)).to.include({ message: 'stopped' });
    await aborted.push(Buffer.from('a'));
  });

  it('fails after the chunks that were pushed', async () => {
    const queue = new ChunkQueue(new AbortController().signal);
    const reader = queue[Symbol.asyncIterator]();
    void queue.push(Buffer.from('a'));
    queue.fail(new Error('lost'));
    expect((await reader.next()).done).to.equal(false);
    expect(await rejection(Promise.resolve(reader.next()))).to.include({ message: 'lost' });
  });
});
