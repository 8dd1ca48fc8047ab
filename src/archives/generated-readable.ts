import { Readable } from 'node:stream';

/** The buffer of the readable, in bytes. */
const BUFFER_BYTES: number = 128 * 1024;

/**
 * Returns a readable of what a generator yields. Destroyed with the generator's error, which does
 * not throw before the first listener. Destroying it calls `stop`, which makes a pending step of the
 * generator reject.
 */
export function generatedReadable(generator: AsyncGenerator<Uint8Array>, stop: () => void): Readable {
  const readable = new Readable({
    highWaterMark: BUFFER_BYTES,
    read: () => {
      void step();
    },
    destroy: (error, done) => {
      stop();
      generator.return(undefined).catch(ignore);
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
  readable.on('error', ignore);
  return readable;
}

function ignore(): void {
  // The reader receives the error.
}
