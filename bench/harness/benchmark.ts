/**
 * The contract of a benchmark. Each file `bench/cases/<name>.ts` exports one as `benchmark`; `npm
 * run bench -- <name>` runs it.
 *
 * `open` creates what the cases share (a worker, a pod), and its disposal releases it. The cases
 * run in their order, each in alternating pairs (ours, peer, ours, peer, …), so that a slower
 * machine slows both sides. A case that alone needs some data creates it when it first runs.
 */
export interface Benchmark {
  /** The settings that `--set NAME=VALUE` can change, with their defaults. */
  readonly settings?: Readonly<Record<string, BenchSetting>> | undefined;
  readonly open: (context: BenchContext) => Promise<OpenBenchmark>;
}

export interface BenchSetting {
  readonly value: string;
  /** The description in the usage. */
  readonly meaning: string;
}

export interface OpenBenchmark extends AsyncDisposable {
  readonly cases: readonly BenchCase[];
}

/** A case: one row of the table. */
export interface BenchCase {
  /** Like `up, 256 MiB of random bytes`. */
  readonly name: string;
  /** The unit of the measurements, like `MiB/s` or `ms`. */
  readonly unit: string;
  /** Whether higher or lower values are better. */
  readonly better: 'higher' | 'lower';
  /** The goal: with a peer, the ratio to reach; without, the value to reach in `unit`. */
  readonly goal?: number | undefined;
  /** @defaultValue 5 */
  readonly pairs?: number | undefined;
  /**
   * The number of pairs to run first and discard.
   * @defaultValue 1
   */
  readonly warmUps?: number | undefined;
  /** Measures our side once. Rejects if the work was not done correctly. */
  readonly ours: (context: BenchContext) => Promise<number>;
  /** Measures the peer once, with the same work. */
  readonly peer?: ((context: BenchContext) => Promise<number>) | undefined;
}

export interface BenchContext {
  /** Aborts when the run is interrupted. */
  readonly signal: AbortSignal;
  /** Prints a line for people on stderr. */
  readonly log: (line: string) => void;
  /** Returns the value of a setting in this run. */
  readonly setting: (name: string) => string;
}
