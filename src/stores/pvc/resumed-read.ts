import { addAbortListener } from 'node:events';
import { Readable } from 'node:stream';

import { abortReason } from '../../internal/abort.ts';
import { abortableChunks } from '../../internal/abortable-chunks.ts';

export interface ResumedReadSource {
  /** The bytes from the first offset on, which are open. */
  readonly opened: Readable;
  /** The first offset. */
  readonly offset: number;
  /** Opens the bytes from an offset on again. The signal covers all of them. */
  readonly open: (offset: number, signal: AbortSignal) => Promise<Readable>;
  /** Resolves when the read may continue after this failure, or rejects with the error that ends it. */
  readonly recover: (error: unknown, signal: AbortSignal) => Promise<void>;
  /** Called when bytes have arrived. */
  readonly progress: () => void;
  /** Ends `opened`, and everything that is opened later. */
  readonly abort: AbortController;
}

/** A readable that continues at its offset after failures of its source. */
export class ResumedRead extends Readable {
  readonly #chunks: AsyncGenerator<Uint8Array>;
  readonly #abort: AbortController;

  /** @param signal - destroys the readable */
  constructor(source: ResumedReadSource, signal: AbortSignal | undefined) {
    super();
    this.#chunks = chunksOf(source);
    this.#abort = source.abort;
    if (signal === undefined) return;
    const listener = addAbortListener(signal, () => {
      this.destroy(abortReason(signal));
    });
    this.once('close', () => {
      listener[Symbol.dispose]();
    });
  }

  override _read(): void {
    this.#chunks.next().then(
      ({ done, value }) => this.push(done === true ? null : value),
      (error: unknown) => this.destroy(error instanceof Error ? error : new Error('read failed', { cause: error })),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#abort.abort(error ?? new Error('the readable is destroyed'));
    this.#chunks.return(undefined).catch(() => undefined);
    callback(error);
  }
}

async function* chunksOf(from: ResumedReadSource): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = from.abort;
  let offset = from.offset;
  let source: Readable | undefined = from.opened;
  for (;;) {
    try {
      source ??= await from.open(offset, signal);
      for await (const chunk of abortableChunks<Uint8Array>(source, signal)) {
        if (chunk.length === 0) continue;
        offset += chunk.length;
        from.progress();
        yield chunk;
      }
      return;
    } catch (error) {
      source?.destroy();
      source = undefined;
      await from.recover(error, signal);
    }
  }
}
