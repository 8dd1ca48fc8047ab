import { PGlite } from '@electric-sql/pglite';
import { dataDir } from '@electric-sql/pglite-prepopulatedfs';
import type { Database } from 'kubernetes-worker';
import pg from 'pg';

/** The demo's database, and a look at what the worker left in it. */
export interface DemoDatabase extends AsyncDisposable {
  readonly description: string;
  readonly handle: Database;
  /** Rows of containers, volumes and processes of a worker. */
  countRows(workerName: string): Promise<number>;
}

const countQuery = `
  select (select count(*) from kubernetes_worker.containers where worker_name = $1)
       + (select count(*) from kubernetes_worker.volumes where worker_name = $1) as rows`;

/** A PostgreSQL server's, or PGlite in this process. */
export async function openDatabase(url: string | undefined): Promise<DemoDatabase> {
  return url === undefined ? await openPGlite() : openPool(url);
}

async function openPGlite(): Promise<DemoDatabase> {
  // The prepared files spare the demo some seconds; `PGlite.create()` alone does as well.
  const database = await PGlite.create({ loadDataDir: await dataDir() });
  return {
    description: 'PGlite, in this process',
    handle: database,
    countRows: async (workerName) =>
      Number((await database.query<{ rows: number }>(countQuery, [workerName])).rows[0]?.rows),
    [Symbol.asyncDispose]: () => database.close(),
  };
}

function openPool(url: string): DemoDatabase {
  const pool = new pg.Pool({ connectionString: url });
  // An idle connection that dies is replaced by the pool; without a listener it would end the program.
  pool.on('error', () => undefined);
  return {
    description: `PostgreSQL at ${new URL(url).host}`,
    handle: pool,
    countRows: async (workerName) =>
      Number((await pool.query<{ rows: string }>(countQuery, [workerName])).rows[0]?.rows),
    [Symbol.asyncDispose]: () => pool.end(),
  };
}
