// Measures `kubernetes-worker serve`: what it needs while nothing happens, with few and with many
// containers, and how it answers requests while builds run.
//   npm run bench -- service --set database=postgres://…
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import pg from 'pg';

import { KubernetesWorker } from '../../src/index.ts';
import { UsageError } from '../harness/arguments.ts';
import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { startEmbedded } from '../memory/embedded-child.ts';
import type { LoadFigures } from '../service/request-load.ts';
import { ServeChild } from '../service/serve-child.ts';

const workerName = 'service-bench';
const load = fileURLToPath(new URL('../service/request-load.ts', import.meta.url));
/** After the start, the first passes and checks are over. */
const settleMs = 15_000;

export const benchmark: Benchmark = {
  settings: {
    database: { value: '', meaning: 'the URL of an empty PostgreSQL database' },
    containers: { value: '0,500', meaning: 'the numbers of containers of an idle service' },
    idle: { value: '30', meaning: 'for how many seconds it is watched' },
    rate: { value: '1000', meaning: 'the number of requests a second' },
    seconds: { value: '30', meaning: 'for how many seconds they are sent' },
    builds: { value: '2', meaning: 'how many builds start each second meanwhile' },
    peer: { value: '', meaning: "the path of another version's src/service/main.ts, to be measured in turn" },
    port: { value: '19393', meaning: 'the port of the status server; the next one is that of the metrics' },
  },
  open: async ({ setting }) => {
    const database = setting('database');
    if (database === '') throw new UsageError('database: the URL of an empty PostgreSQL database');
    const number = (name: string): number => Number(setting(name));
    await using opened = new AsyncStack();
    const { kubeconfig } = opened.use(await startEmbedded(), (child) => child[Symbol.asyncDispose]());
    const pool = opened.use(new pg.Pool({ connectionString: database, max: 2 }), (each) => each.end());
    const options = { name: workerName, kubeConfig: kubeconfig, database };
    const worker = opened.use(await KubernetesWorker.open(options), (each) => each.close());
    const serveOptions = {
      workerName,
      kubeconfig,
      database,
      statusPort: number('port'),
      metricsPort: number('port') + 1,
    };
    const start = (program?: string): Promise<ServeChild> => ServeChild.start({ ...serveOptions, program });
    const [rate, seconds, builds] = [number('rate'), number('seconds'), number('builds')];
    const peer = setting('peer');
    const cases = [
      ...setting('containers')
        .split(',')
        .flatMap((count) => idleCases({ count: Number(count), idleSeconds: number('idle'), pool, start })),
      ...loadCases({ rate, seconds, builds, worker, start, peer: peer === '' ? undefined : peer }),
    ];
    const kept = opened.keep();
    return { cases, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
  },
};

/** Makes the number of rows of containers what it should be. Their pods do not exist. */
async function fill(pool: pg.Pool, count: number): Promise<void> {
  await pool.query('delete from kubernetes_worker.containers');
  await pool.query(
    `insert into kubernetes_worker.containers
       (handle, worker_name, owner_kind, owner_key, owner_digest, state, pod_name, pod_uid, metadata, settings)
     select 'c-' || number, $1, 'bench', 'o-' || number, encode(sha256(('o-' || number)::bytea), 'hex'), 'created',
       'pod-' || number, gen_random_uuid()::text, '{}', '{}'
     from generate_series(1, $2::int) as number`,
    [workerName, count],
  );
}

interface IdleOptions {
  readonly count: number;
  readonly idleSeconds: number;
  readonly pool: pg.Pool;
  readonly start: () => Promise<ServeChild>;
}

/** One run measures all figures; each case returns its own. */
function idleCases({ count, idleSeconds, pool, start }: IdleOptions): readonly BenchCase[] {
  const measured = once(async () => {
    await fill(pool, count);
    await using serve = await start();
    await sleep(settleMs);
    const before = await serve.processorMs();
    await sleep(idleSeconds * 1000);
    const cpuMs = ((await serve.processorMs()) - before) / idleSeconds;
    return { residentMiB: await serve.residentMiB(), cpuMs };
  });
  const what = `idle, ${String(count)} containers`;
  return [
    caseOf({ name: `${what}: resident memory`, unit: 'MiB' }, async () => (await measured()).residentMiB),
    caseOf({ name: `${what}: processor time a second`, unit: 'ms' }, async () => (await measured()).cpuMs),
  ];
}

interface LoadOptions {
  readonly rate: number;
  readonly seconds: number;
  readonly builds: number;
  readonly worker: KubernetesWorker;
  readonly start: (program?: string) => Promise<ServeChild>;
  readonly peer: string | undefined;
}

/** What one run of the load measures. */
interface LoadRun extends LoadFigures {
  /** The processor time of the service, its own work included. */
  readonly cpuMsPerRequest: number;
  readonly longestStallMs: number;
  /** The time in which the service could run and other programs had the processors, a second. */
  readonly waitedMs: number;
  readonly residentMiB: number;
  /** From the first third on, when the heap has its size, to the end. */
  readonly grownMiB: number;
  readonly builds: number;
}

function loadCases({ peer, ...options }: LoadOptions): readonly BenchCase[] {
  const what = `${String(options.rate)} requests a second for ${String(options.seconds)} s`;
  const ours = new Runs(async () => await measureLoad(options));
  const theirs = peer === undefined ? undefined : new Runs(async () => await measureLoad(options, peer));
  const figure = (name: string, unit: string, of: keyof LoadRun, more: Partial<BenchCase> = {}): BenchCase => ({
    ...caseOf({ name: `${what}: ${name}`, unit }, ours.reader(of)),
    ...(theirs === undefined ? {} : { peer: theirs.reader(of) }),
    ...more,
  });
  return [
    figure('p50', 'ms', 'p50Ms'),
    figure('p99', 'ms', 'p99Ms', { goal: 50 }),
    figure("the sender's own delay, p99", 'ms', 'senderP99Ms'),
    figure('longest stall of the event loop', 'ms', 'longestStallMs'),
    figure('its wait for a processor, a second', 'ms', 'waitedMs'),
    figure('processor time a request', 'ms', 'cpuMsPerRequest'),
    figure('resident memory', 'MiB', 'residentMiB'),
    figure('its growth after the first third', 'MiB', 'grownMiB'),
    figure('builds meanwhile', '', 'builds', { better: 'higher' }),
  ];
}

/** The runs of one side. Each measures all figures, of which each case reads one. */
class Runs {
  readonly #measure: () => Promise<LoadRun>;
  readonly #runs: Promise<LoadRun>[] = [];

  constructor(measure: () => Promise<LoadRun>) {
    this.#measure = measure;
  }

  /** Returns what reads a figure of the first run, then of the second one, and so on. */
  reader(figure: keyof LoadRun): () => Promise<number> {
    let at = 0;
    return async () => {
      const run = (this.#runs[at] ??= this.#measure());
      at += 1;
      return (await run)[figure];
    };
  }
}

async function measureLoad(
  { rate, seconds, builds, worker, start }: Omit<LoadOptions, 'peer'>,
  program?: string,
): Promise<LoadRun> {
  await using serve = await start(program);
  await sleep(settleMs);
  const [cpuBefore, waitedBefore] = [await serve.processorMs(), await serve.waitedMs(), await serve.longestStallMs()];
  const ending = new AbortController();
  const building = buildUntil(worker, builds, ending.signal);
  const early = sleep((seconds * 1000) / 3).then(async () => await serve.residentMiB());
  const { stdout } = await promisify(execFile)(process.execPath, [
    load,
    `${serve.url}/api/v1/status`,
    String(rate),
    String(seconds),
  ]);
  const cpuMs = (await serve.processorMs()) - cpuBefore;
  const waitedMs = ((await serve.waitedMs()) - waitedBefore) / seconds;
  const longestStallMs = await serve.longestStallMs();
  const residentMiB = await serve.residentMiB();
  ending.abort();
  const built = await building;
  const figures = JSON.parse(stdout) as LoadFigures;
  if (figures.failed > 0) throw new Error(`${String(figures.failed)} of ${String(figures.sent)} requests failed`);
  return {
    ...figures,
    cpuMsPerRequest: cpuMs / figures.sent,
    longestStallMs,
    waitedMs,
    residentMiB,
    grownMiB: residentMiB - (await early),
    builds: built,
  };
}

/**
 * Starts builds of one step at a constant rate until the signal aborts. More builds than that would
 * take the processors from the service, and its answers would measure the machine. Resolves to
 * their number when the last one has ended.
 */
async function buildUntil(worker: KubernetesWorker, perSecond: number, signal: AbortSignal): Promise<number> {
  const builds: Promise<void>[] = [];
  while (!signal.aborted) {
    builds.push(build(worker));
    await sleep(1000 / perSecond, undefined, { signal }).catch(() => undefined);
  }
  await Promise.all(builds);
  return builds.length;
}

async function build(worker: KubernetesWorker): Promise<void> {
  const owner = { kind: 'build', key: randomUUID() };
  const { container } = await worker.findOrCreateContainer(owner, { image: 'busybox' });
  const task = await container.run({ path: 'sh', args: ['-c', 'echo built'] }, {});
  const { exitStatus } = await task.wait();
  if (exitStatus !== 0) throw new Error(`a build ended with exit status ${String(exitStatus)}`);
  await worker.ownerFinished(owner);
}

function caseOf(
  { name, unit }: { readonly name: string; readonly unit: string },
  ours: () => Promise<number>,
): BenchCase {
  return { name, unit, better: 'lower', pairs: 1, warmUps: 0, ours };
}

/** Returns a function that does the work at its first call, and returns the same result again. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}
