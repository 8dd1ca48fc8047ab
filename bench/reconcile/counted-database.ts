import { PGlite } from '@electric-sql/pglite';
import type { DatabasePool } from 'kubernetes-worker';
import pg from 'pg';

import type { AsyncStack } from '../harness/async-stack.ts';

/** A database whose statements are counted. */
export interface CountedDatabase {
  readonly database: PGlite | DatabasePool;
  /** The statements that the library has sent so far. */
  readonly statements: () => number;
  /** Runs a statement that is not counted. */
  readonly query: (text: string) => Promise<{ readonly rows: readonly unknown[] }>;
}

/** Opens the database of the URL, or PGlite in this process. */
export async function countedDatabase(url: string, opened: AsyncStack): Promise<CountedDatabase> {
  return url === 'pglite' ? await countedPGlite(opened) : countedPool(url, opened);
}

async function countedPGlite(opened: AsyncStack): Promise<CountedDatabase> {
  const database = opened.use(await PGlite.create(), (instance) => instance.close());
  const query = database.query.bind(database);
  let count = 0;
  database.query = async (...parameters) => {
    count += 1;
    return await query(...parameters);
  };
  return { database, statements: () => count, query };
}

function countedPool(url: string, opened: AsyncStack): CountedDatabase {
  const pool = opened.use(new pg.Pool({ connectionString: url, max: 10 }), (each) => each.end());
  let count = 0;
  const database: DatabasePool = {
    connect: async () => {
      const client = await pool.connect();
      return {
        query: async (text, values) => {
          count += 1;
          return await client.query(text, values);
        },
        release: (error) => client.release(error),
      };
    },
  };
  return { database, statements: () => count, query: async (text) => await pool.query(text) };
}
