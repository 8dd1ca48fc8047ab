import type { AbortOptions } from '../runtime/options.ts';

/** The content of a volume is larger than a cache may be. */
export class CacheTooLargeError extends Error {
  constructor(limitBytes: number) {
    super(`the content is larger than ${limitBytes} bytes (caches.maxKeyBytes)`);
  }
}

/** What work that moves a cache receives. */
export interface LimitedOptions extends AbortOptions {
  readonly progress?: ((rawBytes: number) => void) | undefined;
}

/**
 * Runs work that moves the content of a cache. Aborts its signal as soon as it has moved more bytes
 * than the limit.
 *
 * @throws CacheTooLargeError
 */
export async function withinSize<T extends { readonly rawBytes: number }>(
  limitBytes: number | undefined,
  { signal }: AbortOptions,
  work: (options: LimitedOptions) => Promise<T>,
): Promise<T> {
  if (limitBytes === undefined) return await work({ signal });
  const excess = new AbortController();
  const check = (rawBytes: number): void => {
    if (rawBytes > limitBytes) excess.abort(new CacheTooLargeError(limitBytes));
  };
  const either = signal === undefined ? excess.signal : AbortSignal.any([signal, excess.signal]);
  const outcome = await work({ signal: either, progress: check });
  check(outcome.rawBytes);
  excess.signal.throwIfAborted();
  return outcome;
}
