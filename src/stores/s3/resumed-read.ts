import { addAbortListener, on } from 'node:events';
import type { Readable } from 'node:stream';

import { ArchiveDamagedError, StoreUnavailableError } from '../../errors/store.ts';
import { abortReason } from '../../internal/abort.ts';
import { generatedReadable } from '../../internal/generated-readable.ts';
import { SilenceWatch } from '../../internal/silence-watch.ts';
import { callBackoff } from '../../retry/backoff.ts';
import { retry, waitIfRetryable } from '../../retry/retry.ts';
import { RetryPace } from '../../retry/retry-pace.ts';
import type { Clock } from '../../runtime/options.ts';
import type { ObjectCalls, OpenedObject } from './s3-calls.ts';

export interface ResumedReadOptions {
  readonly calls: Pick<ObjectCalls, 'getObject'>;
  readonly store: string;
  readonly key: string;
  /** The offset of the first byte. */
  readonly offset: number;
  readonly clock: Clock;
  /** The longest silence of a body that is being read, in milliseconds. */
  readonly silenceMs: number;
  /** Destroys the readable. */
  readonly signal: AbortSignal | undefined;
}

/** How long a read may be interrupted without a byte, in milliseconds. */
const budgetMs = 60_000;

/**
 * Returns the bytes of an opened object. After a lost connection it continues with the rest of the
 * same version of the object. Always destroys the bodies.
 */
export function resumedRead(first: OpenedObject, options: ResumedReadOptions): Readable {
  const stop = new AbortController();
  const chunks = new ObjectBytes(first, options, stop.signal).chunks();
  const stopReading = (reason: Error): void => stop.abort(reason);
  // Holds one chunk: an iterator of the readable joins the chunks that it holds, and leaves these behind.
  const readable = generatedReadable(chunks, { stop: stopReading, signal: options.signal, bufferBytes: 1 });
  // Chunks that were never asked for end without a step.
  readable.once('close', () => first.body.destroy());
  return readable;
}

class ObjectBytes {
  readonly #options: ResumedReadOptions;
  readonly #signal: AbortSignal;
  readonly #pace: RetryPace;
  readonly #first: OpenedObject;
  #at: number;

  constructor(first: OpenedObject, options: ResumedReadOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#pace = new RetryPace({ clock: options.clock, backoff: callBackoff, budgetMs });
    this.#first = first;
    this.#at = options.offset;
  }

  async *chunks(): AsyncGenerator<Buffer, void, undefined> {
    const { store, key } = this.#options;
    for (let opened = this.#first; ; opened = await this.#reopen()) {
      let failure: unknown = new Error('the body has ended early');
      try {
        for await (const chunk of this.#bytesOf(opened)) {
          this.#at += chunk.length;
          this.#pace.renew();
          yield chunk;
        }
      } catch (error) {
        failure = error;
      }
      if (this.#at === this.#first.totalBytes) return;
      this.#signal.throwIfAborted();
      const detail = `the download has broken off at byte ${this.#at}: ${textOf(failure)}`;
      const lost = new StoreUnavailableError({ store, key }, detail);
      if (!(await this.#pace.wait(lost, { signal: this.#signal }))) throw lost;
    }
  }

  /** Yields the bytes of one body from the current offset on. */
  async *#bytesOf({ body, start }: OpenedObject): AsyncGenerator<Buffer, void, undefined> {
    const { clock, silenceMs } = this.#options;
    let isAsked = true;
    const silent = (): void => {
      if (isAsked) body.destroy(new Error(`no bytes for ${silenceMs} ms`));
    };
    const watch = new SilenceWatch({ clock, limitMs: silenceMs, silent });
    using _listener = addAbortListener(this.#signal, () => body.destroy(abortReason(this.#signal)));
    // A server without ranges sends the whole object.
    let surplus = this.#at - start;
    try {
      for await (const [chunk] of chunksOf(body)) {
        isAsked = false;
        const wanted = chunk.subarray(surplus);
        surplus -= chunk.length - wanted.length;
        if (wanted.length > 0) yield wanted;
        isAsked = true;
        watch.touch();
      }
    } finally {
      watch.stop();
      body.destroy();
    }
  }

  async #reopen(): Promise<OpenedObject> {
    const { calls, store, key } = this.#options;
    const { etag, totalBytes } = this.#first;
    const signal = this.#signal;
    const get = async () => await calls.getObject(key, { offset: this.#at, etag, signal });
    const opened = await retry(get, { pace: this.#pace, signal, decide: waitIfRetryable });
    if (opened?.totalBytes === totalBytes && opened.start <= this.#at) return opened;
    opened?.body.destroy();
    throw new ArchiveDamagedError({ store, key }, 'it has changed while it was read');
  }
}

/** Yields the chunks of a body one by one, as they have arrived. */
function chunksOf(body: Readable): AsyncIterable<[Buffer]> {
  // A body that is destroyed after its chunks were left fails without a listener.
  body.on('error', ignore);
  return on(body, 'data', { close: ['end', 'close'], highWaterMark: 1, lowWaterMark: 1 }) as AsyncIterable<[Buffer]>;
}

function ignore(): void {
  // The reader of the chunks receives the error.
}

function textOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
