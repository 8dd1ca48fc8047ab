import type { EventEmitter } from 'node:events';

/**
 * Ignores the `error` events of the host's streams until the disposal. A stream without a listener would
 * end the host's program, and what reads or writes it later finds the error in the stream.
 */
export function ignoreErrors(streams: readonly (EventEmitter | undefined)[]): Disposable {
  for (const stream of streams) stream?.on('error', ignore);
  return {
    [Symbol.dispose]: () => {
      for (const stream of streams) stream?.off('error', ignore);
    },
  };
}

function ignore(): void {}
