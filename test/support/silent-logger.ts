import type { Logger } from '../../src/runtime/options.ts';

/** Writes nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
