import { expect } from 'chai';

import { abortableChunks } from '../../../src/internal/abortable-chunks.ts';
import { rejection } from '../../support/rejection.ts';
import { allOf } from '../../support/stores/archive-bytes.ts';

/** Yields the numbers, and records its end. */
function recorded(numbers: readonly number[], last?: Promise<never>) {
  const record = { reads: 0, hasEnded: false };
  async function* source(): AsyncGenerator<number> {
    try {
      for (const number of numbers) {
        record.reads += 1;
        yield number;
      }
      await last;
    } finally {
      record.hasEnded = true;
    }
  }
  return { record, source: source() };
}

describe('abortableChunks', () => {
  it('yields what the source yields', async () => {
    const { source, record } = recorded([1, 2, 3]);
    expect(await allOf(abortableChunks(source, new AbortController().signal))).to.deep.equal([1, 2, 3]);
    expect(record.hasEnded).to.equal(true);
  });

  it('ends the source before it ends itself when the caller leaves early', async () => {
    const { source, record } = recorded([1, 2, 3]);
    for await (const _ of abortableChunks(source, undefined)) break;
    expect(record).to.deep.equal({ reads: 1, hasEnded: true });
  });

  it("rejects with the source's own error", async () => {
    const failure = new Error('source');
    const { source } = recorded([1], Promise.reject(failure));
    expect(await rejection(allOf(abortableChunks(source, undefined)))).to.equal(failure);
  });

  it('rejects with the reason of a signal while the source does not answer', async () => {
    const [abort, reason] = [new AbortController(), new Error('enough')];
    const { source } = recorded([1], new Promise(() => undefined));
    const reading = rejection(allOf(abortableChunks(source, abort.signal)));
    setImmediate(() => abort.abort(reason));
    expect(await reading).to.equal(reason);
  });

  it('does not read a source if the signal has aborted before', async () => {
    const reason = new Error('enough');
    const { source, record } = recorded([1]);
    expect(await rejection(allOf(abortableChunks(source, AbortSignal.abort(reason))))).to.equal(reason);
    expect(record.reads).to.equal(0);
  });
});
