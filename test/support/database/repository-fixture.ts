import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { silentLogger } from '../silent-logger.ts';
import { schemaOf, sharedPostgresUrl } from './postgres.ts';

/** A repository on a server, and a pool for what other hosts do. */
export class RepositoryFixture {
  readonly schema: string;
  #admin: pg.Pool | undefined;
  #repository: Repository | undefined;

  constructor(name: string) {
    this.schema = schemaOf(name);
  }

  get admin(): pg.Pool {
    if (this.#admin === undefined) throw new Error('no test is running');
    return this.#admin;
  }

  get repository(): Repository {
    if (this.#repository === undefined) throw new Error('no test is running');
    return this.#repository;
  }

  async open(): Promise<void> {
    const url = await sharedPostgresUrl();
    this.#admin = new pg.Pool({ connectionString: url });
    await this.#admin.query(`drop schema if exists "${this.schema}" cascade`);
    this.#repository = await openRepository(url, { schema: this.schema, logger: silentLogger });
    await this.#repository.workers.register('worker');
  }

  async close(): Promise<void> {
    await this.#repository?.close();
    await this.#admin?.query(`drop schema "${this.schema}" cascade`);
    await this.#admin?.end();
  }

  /**
   * Resolves when this many statements on the schema wait for a lock. Rejects if the call settles
   * before.
   */
  async blocked(call: Promise<unknown>, count = 1): Promise<void> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    call.then(settled, settled);
    for (let waiting = 0; waiting < count; ) {
      if (isSettled) throw new Error('the statement did not wait for the lock');
      const { rowCount } = await this.admin.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%"${this.schema}"%'`,
      );
      waiting = rowCount ?? 0;
    }
  }
}

/**
 * Registers hooks that open and close the repository of a suite, with the worker `worker`. A hook
 * that releases a client of the pool has to be registered before.
 */
export function withRepository(name: string): RepositoryFixture {
  const fixture = new RepositoryFixture(name);
  before(() => fixture.open());
  after(() => fixture.close());
  return fixture;
}
