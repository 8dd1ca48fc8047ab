import { type TransferFacts, TransferStalledError } from '../../errors/transfer.ts';
import { SilenceWatch } from '../../internal/silence-watch.ts';
import type { RetryBudgetOptions } from './retry-budget.ts';

/** How transfers are run. */
export interface TransferSettings extends RetryBudgetOptions {
  readonly cancelTimeoutMs: number;
  /** For how long the agent keeps a transfer that has no connection, in milliseconds: longer than anybody would come back for it. */
  readonly leaseMs: number;
  /** For how long no byte may move, in milliseconds. */
  readonly stallMs: number;
  /** The most bytes of a download that are on the way or held. */
  readonly windowBytes: number;
}

/** What both ends agree on. */
export interface TransferResult {
  /** Raw bytes of the archive. */
  readonly bytes: number;
  /** SHA-256 of them, in hex. */
  readonly sha256: string;
  readonly entries: number;
}

/** Watches that a transfer moves. */
export function watchProgress(
  { clock, stallMs }: TransferSettings,
  facts: () => TransferFacts,
  stalled: (error: TransferStalledError) => void,
): SilenceWatch {
  return new SilenceWatch({
    clock,
    limitMs: stallMs,
    silent: () => stalled(new TransferStalledError(facts(), stallMs)),
  });
}
