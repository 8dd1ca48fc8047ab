/**
 * A file `bench/cases/<name>.ts` exports one of these as `benchmark`; `npm run bench -- <name>` runs it.
 *
 * `open` makes what the cases share (a worker, a pod) and says how to let it go; the cases then run in the order given, each in
 * pairs: ours, the peer's, ours, the peer's, …, so that a machine that slows down slows down both. Data that only some cases need is made when the first of them runs.
 */
export interface Benchmark {
  /** What `--set NAME=VALUE` may change, and what it is else. */
  readonly settings?: Readonly<Record<string, BenchSetting>> | undefined;
  readonly open: (context: BenchContext) => Promise<OpenBenchmark>;
}

export interface BenchSetting {
  readonly value: string;
  /** For people. */
  readonly meaning: string;
}

export interface OpenBenchmark extends AsyncDisposable {
  readonly cases: readonly BenchCase[];
}

/** One row of the table. */
export interface BenchCase {
  /** Like `up, 256 MiB of random bytes`. */
  readonly name: string;
  /** Of what the measurements return, like `MiB/s` or `ms`. */
  readonly unit: string;
  /** Which way is better. */
  readonly better: 'higher' | 'lower';
  /** With a peer: the ratio to reach. Without: the figure to reach, in `unit`. */
  readonly goal?: number | undefined;
  /** @defaultValue 5 */
  readonly pairs?: number | undefined;
  /** Pairs that are run before and thrown away. @defaultValue 1 */
  readonly warmUps?: number | undefined;
  /** Measures our side once. Rejects where the work was not done right: a wrong figure is worse than none. */
  readonly ours: (context: BenchContext) => Promise<number>;
  /** Measures the peer's side once, on the same work. */
  readonly peer?: ((context: BenchContext) => Promise<number>) | undefined;
}

export interface BenchContext {
  /** Aborted when the run is interrupted. */
  readonly signal: AbortSignal;
  /** For people, on stderr. */
  readonly log: (line: string) => void;
  /** What a setting is in this run. */
  readonly setting: (name: string) => string;
}
