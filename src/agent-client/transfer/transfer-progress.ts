import { type TransferFacts, TransferStalledError } from '../../errors/transfer.ts';
import { SilenceWatch } from '../../internal/silence-watch.ts';
import type { RetryPaceOptions } from '../../retry/retry-pace.ts';
import type { Clock } from '../../runtime/options.ts';
import type { Fields } from '../wire/control.ts';

/** The settings of transfers. */
export interface TransferSettings {
  readonly clock: Clock;
  /** The waits between the tries to reconnect, and their limit. */
  readonly retries: RetryPaceOptions;
  readonly cancelTimeoutMs: number;
  /**
   * How long the agent keeps a parked transfer, in milliseconds: longer than a host tries to resume
   * it.
   */
  readonly leaseMs: number;
  /** How long a transfer may make no progress, in milliseconds. */
  readonly stallMs: number;
  /** The maximum number of bytes of a download that are in flight or held. */
  readonly windowBytes: number;
}

/** The result on which both ends agree. */
export interface TransferResult {
  /** The size of the raw archive. */
  readonly bytes: number;
  /** The SHA-256 of the raw archive, in hex. */
  readonly sha256: string;
  readonly entries: number;
}

/** Reads RESULT of a transfer. */
export function readTransferResult(fields: Fields): TransferResult {
  return { bytes: fields.count('bytes'), sha256: fields.string('sha256'), entries: fields.count('entries') };
}

/** Watches the progress of a transfer. Calls `stalled` when there has been none for `stallMs`. */
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
