import type { Pool } from 'pg';

import type { DatabasePool } from '../../../src/repository/postgres/connection/database.ts';

/** A statement, and the values of its last run. */
export interface RecordedStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** A pool that keeps every different statement. */
export class RecordingPool implements DatabasePool {
  readonly #pool: Pool;
  readonly #statements = new Map<string, readonly unknown[]>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  get statements(): readonly RecordedStatement[] {
    return [...this.#statements].map(([text, values]) => ({ text, values }));
  }

  async connect(): ReturnType<DatabasePool['connect']> {
    const client = await this.#pool.connect();
    return {
      query: async (text, values) => {
        this.#statements.set(text, values);
        return await client.query(text, values);
      },
      release: (destroy) => client.release(destroy),
    };
  }
}
