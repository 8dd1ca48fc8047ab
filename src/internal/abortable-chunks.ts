import { abortable } from './abort.ts';

/**
 * Yields what the source yields. Ends the source when it is left early. Rejects with the signal's
 * reason as soon as the signal aborts, even while a read of the source is pending; the source then
 * ends after that read.
 */
export async function* abortableChunks<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  signal?.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  const state = { isAsked: false, hasEnded: false };
  const next = async (): Promise<IteratorResult<T, unknown>> => {
    state.isAsked = true;
    const result = await iterator.next().catch((error: unknown) => {
      state.hasEnded = true;
      throw error;
    });
    state.isAsked = false;
    state.hasEnded = result.done === true;
    return result;
  };
  try {
    for (;;) {
      const result = await abortable(next(), signal);
      if (result.done === true) return;
      yield result.value;
    }
  } finally {
    const ended = state.hasEnded ? undefined : iterator.return?.();
    if (state.isAsked) ended?.catch(() => undefined);
    else await ended;
  }
}
