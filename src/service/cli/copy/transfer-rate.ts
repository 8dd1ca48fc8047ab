/** How long the rate looks back, in milliseconds. */
const windowMs = 5_000;

/** The state of a transfer for its user. */
export interface TransferState {
  readonly bytes: number;
  /** `undefined` if the size is unknown, or was exceeded. */
  readonly totalBytes: number | undefined;
  /** Over the last seconds. `undefined` at the beginning. */
  readonly bytesPerSecond: number | undefined;
  readonly elapsedMs: number;
}

/** Counts the bytes of a transfer, and computes its rate. */
export class TransferRate {
  readonly #now: () => number;
  readonly #totalBytes: number | undefined;
  readonly #beganAt: number;
  readonly #samples: { readonly at: number; readonly bytes: number }[] = [];
  #bytes = 0;

  /** @param now - returns the time in milliseconds */
  constructor(totalBytes: number | undefined, now: () => number) {
    this.#totalBytes = totalBytes;
    this.#now = now;
    this.#beganAt = now();
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Begins again: the transfer has lost what it had moved. */
  restart(): void {
    this.#bytes = 0;
    this.#samples.length = 0;
  }

  /** Returns the state, and remembers it for the rate. */
  sample(): TransferState {
    const at = this.#now();
    while ((this.#samples[0]?.at ?? at) < at - windowMs) this.#samples.shift();
    const [oldest] = this.#samples;
    this.#samples.push({ at, bytes: this.#bytes });
    const isKnown = this.#totalBytes !== undefined && this.#bytes <= this.#totalBytes;
    return {
      bytes: this.#bytes,
      totalBytes: isKnown ? this.#totalBytes : undefined,
      bytesPerSecond:
        oldest === undefined || oldest.at === at ? undefined : ((this.#bytes - oldest.bytes) / (at - oldest.at)) * 1000,
      elapsedMs: at - this.#beganAt,
    };
  }
}
