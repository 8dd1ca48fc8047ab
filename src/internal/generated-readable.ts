import { addAbortListener } from 'node:events';
import { Readable } from 'node:stream';

import { abortReason } from './abort.ts';

export interface GeneratedReadableOptions {
  /** Makes a pending step of the generator reject. Called once, when the readable is destroyed. */
  readonly stop: (reason: Error) => void;
  /** Destroys the readable with its reason. */
  readonly signal: AbortSignal | undefined;
  /** The buffer of the readable, in bytes. @defaultValue that of Node */
  readonly bufferBytes?: number | undefined;
}

/** Returns a readable of what a generator yields. Destroyed with the generator's error. */
export function generatedReadable(
  generator: AsyncGenerator<Uint8Array>,
  { stop, signal, bufferBytes }: GeneratedReadableOptions,
): Readable {
  const readable = new Readable({
    highWaterMark: bufferBytes,
    read: () => {
      void step();
    },
    destroy: (error, done) => {
      stop(error ?? new Error('the readable was destroyed'));
      generator.return(undefined).catch(() => undefined);
      done(error);
    },
  });
  const step = async (): Promise<void> => {
    try {
      const next = await generator.next();
      readable.push(next.done === true ? null : next.value);
    } catch (error) {
      readable.destroy(error instanceof Error ? error : new Error('failed', { cause: error }));
    }
  };
  if (signal !== undefined) {
    const listener = addAbortListener(signal, () => readable.destroy(abortReason(signal)));
    readable.once('close', () => listener[Symbol.dispose]());
  }
  return readable;
}
