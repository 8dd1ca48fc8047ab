import type { Logger } from '../runtime/options.ts';

const nothing = (): void => {};

/** Discards all messages. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
