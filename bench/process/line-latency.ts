/**
 * A command that waits until the host listens, and then prints 200 lines with the time in seconds
 * at which each is printed. Bash has the time without another program.
 */
export const ticking: readonly [string, ...string[]] = [
  'bash',
  '-c',
  'sleep 0.3; for i in {1..200}; do printf "%s\\n" "$EPOCHREALTIME"; sleep 0.01; done',
];

const ticks = 200;

/**
 * Collects the lines of `ticking` with their age on arrival, in milliseconds. The pod must run on
 * this machine, so that both sides have the same clock.
 */
export class LineLatency {
  readonly #latenciesMs: number[] = [];
  #rest = '';

  readonly take = (chunk: Buffer): void => {
    const now = performance.timeOrigin + performance.now();
    const lines = (this.#rest + chunk.toString()).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#latenciesMs.push(now - Number(line) * 1000);
  };

  /** Returns the latency of a quantile of the lines. */
  quantile(part: number): number {
    if (this.#latenciesMs.length !== ticks)
      throw new Error(`received ${this.#latenciesMs.length} lines instead of ${ticks}`);
    const sorted = this.#latenciesMs.toSorted((a, b) => a - b);
    return sorted[Math.min(ticks - 1, Math.floor(part * ticks))] ?? Number.NaN;
  }
}
