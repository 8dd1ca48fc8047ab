/** A command that is silent until somebody surely listens, and then prints the time, in seconds, at which each line leaves it. Bash knows it without a program of its own. */
export const ticking: readonly [string, ...string[]] = [
  'bash',
  '-c',
  'sleep 0.3; for i in {1..200}; do printf "%s\\n" "$EPOCHREALTIME"; sleep 0.01; done',
];

const ticks = 200;

/** Collects lines of `ticking` and how old each was when it came, in milliseconds. The pod has to be on this machine: there is one clock. */
export class LineLatency {
  readonly #latenciesMs: number[] = [];
  #rest = '';

  readonly take = (chunk: Buffer): void => {
    const now = performance.timeOrigin + performance.now();
    const lines = (this.#rest + chunk.toString()).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#latenciesMs.push(now - Number(line) * 1000);
  };

  /** The latency below which this part of the lines came. */
  quantile(part: number): number {
    if (this.#latenciesMs.length !== ticks) throw new Error(`${this.#latenciesMs.length} lines came, and not ${ticks}`);
    const sorted = this.#latenciesMs.toSorted((a, b) => a - b);
    return sorted[Math.min(ticks - 1, Math.floor(part * ticks))] ?? Number.NaN;
  }
}
