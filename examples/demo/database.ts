import { PGlite } from '@electric-sql/pglite';
import { dataDir } from '@electric-sql/pglite-prepopulatedfs';
import type { Database } from 'kubernetes-worker';
import pg from 'pg';

/** The demo's database. It counts the rows that the worker has left. */
export interface DemoDatabase extends AsyncDisposable {
  readonly description: string;
  readonly handle: Database;
  /** Counts the rows of a worker's containers and volumes. */
  countRows(workerName: string): Promise<number>;
}

const countQuery = `
  select (select count(*) from kubernetes_worker.containers where worker_name = $1)
       + (select count(*) from kubernetes_worker.volumes where worker_name = $1) as rows`;

/** Opens a PostgreSQL server, or PGlite in this process. */
export async function openDatabase(url: string | undefined): Promise<DemoDatabase> {
  return url === undefined ? await openPGlite() : openPool(url);
}

async function openPGlite(): Promise<DemoDatabase> {
  // The prepared files save some seconds. `PGlite.create()` alone works too.
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
  // The pool replaces an idle connection that fails. Without a listener the error would end the
  // program.
  pool.on('error', () => undefined);
  return {
    description: `PostgreSQL at ${new URL(url).host}`,
    handle: pool,
    countRows: async (workerName) =>
      Number((await pool.query<{ rows: string }>(countQuery, [workerName])).rows[0]?.rows),
    [Symbol.asyncDispose]: () => pool.end(),
  };
}
