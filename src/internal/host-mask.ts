import type { Logger } from '../runtime/options.ts';

/** Returns the text without secrets. `undefined`: it could not be masked, and must not be shown. */
export type Mask = (text: string) => string | undefined;

/**
 * Returns a mask that applies the host's function, and never throws. Logs a failure of the function
 * without its error, which may contain the text.
 */
export function hostMask(mask: ((text: string) => string) | undefined, logger: Logger): Mask {
  if (mask === undefined) return (text) => text;
  return (text) => {
    try {
      const masked: unknown = mask(text);
      if (typeof masked === 'string') return masked;
      logger.warn('the mask returned no text; diagnostics are left out');
    } catch {
      logger.warn('the mask threw an error; diagnostics are left out');
    }
    return undefined;
  };
}
