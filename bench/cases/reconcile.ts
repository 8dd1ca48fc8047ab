// Measures a pass of the reaper over many artifact volumes that have expired and whose pods no longer
// exist: each takes a read of its pod and the deletion of its row. The embedded cluster runs in a
// process of its own; so does the database, if a URL is set. Each case must delete all of its rows.
//   npm run bench -- reconcile --set database=postgres://…
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';

import { KubernetesWorker } from '../../src/index.ts';
import { UsageError } from '../harness/arguments.ts';
import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { startEmbedded } from '../memory/embedded-child.ts';

const name = 'reconcile';

export const benchmark: Benchmark = {
  settings: {
    counts: { value: '1000,10000,100000', meaning: 'the numbers of volumes' },
    database: { value: 'pglite', meaning: 'the URL of an empty PostgreSQL database, or pglite: in this process' },
  },
  open: async ({ setting }) => {
    const counts = setting('counts').split(',').map(Number);
    if (!counts.every((count) => Number.isSafeInteger(count) && count > 0))
      throw new UsageError('counts: numbers above 0, with commas between them');
    await using opened = new AsyncStack();
    const embedded = opened.use(await startEmbedded(), (child) => child[Symbol.asyncDispose]());
    const { database, query } = await openDatabase(setting('database'), opened);
    const worker = opened.use(
      await KubernetesWorker.open({ name, kubeConfig: embedded.kubeconfig, database }),
      async (each) => await each.close(),
    );
    const kept = opened.keep();
    return {
      cases: counts.flatMap((count) => casesOf(count, worker, query)),
      [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
    };
  },
};

type Query = (text: string) => Promise<unknown>;

async function openDatabase(
  url: string,
  opened: AsyncStack,
): Promise<{ readonly database: PGlite | pg.Pool; readonly query: Query }> {
  if (url === 'pglite') {
    const pglite = opened.use(await PGlite.create(), (instance) => instance.close());
    return { database: pglite, query: async (text) => await pglite.query(text) };
  }
  const pool = opened.use(new pg.Pool({ connectionString: url, max: 10 }), (each) => each.end());
  return { database: pool, query: async (text) => await pool.query(text) };
}

/** The time of a pass, and the memory that this process reserves for it. */
function casesOf(count: number, worker: KubernetesWorker, query: Query): readonly BenchCase[] {
  const one = { pairs: 3, warmUps: 0, better: 'lower' as const };
  let grownMiB: number[] = [];
  return [
    {
      ...one,
      name: `a pass over ${String(count)} volumes`,
      unit: 'ms',
      ...(count === 10_000 ? { goal: 5_000 } : {}),
      ours: async () => {
        await insertExpired(count, query);
        const residentBytes = process.memoryUsage.rss();
        const startedAt = performance.now();
        const { deletedVolumes } = await worker.reap();
        const tookMs = performance.now() - startedAt;
        if (deletedVolumes !== count) throw new Error(`the pass has deleted ${String(deletedVolumes)} volumes`);
        grownMiB.push((process.memoryUsage.rss() - residentBytes) / 1024 ** 2);
        return tookMs;
      },
    },
    {
      ...one,
      name: `growth of resident memory in a pass over ${String(count)} volumes`,
      unit: 'MiB',
      ours: async () => {
        const [grown = 0, ...others] = grownMiB;
        grownMiB = others;
        return grown;
      },
    },
  ];
}

async function insertExpired(count: number, query: Query): Promise<void> {
  await query(`
    insert into kubernetes_worker.volumes
      (handle, worker_name, kind, state, team_id, store, location, expires_at)
    select
      gen_random_uuid()::text, '${name}', 'artifact', 'created', 'team', 'pod',
      jsonb_build_object('pod', 'art-' || number, 'owner', 'owner-' || number, 'volume', 'volume-' || number),
      now() - interval '1 minute'
    from generate_series(1, ${String(count)}) as number`);
}
