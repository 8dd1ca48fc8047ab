import { Readable } from 'node:stream';

import { abortable } from './abort.ts';

/**
 * Opens a source of the host. A source that ignores the signal does not delay the caller: the call
 * rejects with the reason of the signal, and a readable that the source opens later is destroyed.
 */
export async function openSource<T>(source: () => T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const opening = (async () => await source())();
  try {
    return await abortable(opening, signal);
  } catch (error) {
    opening.then(end, () => undefined);
    throw error;
  }
}

function end(source: unknown): void {
  if (!(source instanceof Readable)) return;
  source.on('error', () => undefined);
  source.destroy();
}
