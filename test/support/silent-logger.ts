import type { Logger } from '../../src/runtime/options.ts';

/** A logger without output. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
