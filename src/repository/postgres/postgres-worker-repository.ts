import { sql } from 'kysely';

import { RepositoryUnavailableError } from '../../errors/repository.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { WorkerRepository } from '../worker-repository.ts';
import { checkText } from './input.ts';
import type { StatementRunner } from './statement-runner.ts';
import type { Tables } from './tables.ts';

/** Workers in PostgreSQL. */
export class PostgresWorkerRepository implements WorkerRepository {
  readonly #runner: StatementRunner;
  readonly #tables: Tables;

  constructor(runner: StatementRunner, tables: Tables) {
    this.#runner = runner;
    this.#tables = tables;
  }

  async register(workerName: string, options: AbortOptions = {}): Promise<{ readonly installationId: string }> {
    checkText('workerName', workerName, 253);
    const { installation, workers } = this.#tables;
    const row = await this.#runner.first(
      sql<{ id: string }>`
        with registered as (insert into ${workers} (name) values (${workerName}) on conflict (name) do nothing)
        select id::text as id from ${installation}`,
      options,
    );
    if (row === undefined) throw new RepositoryUnavailableError('the schema has no installation id');
    return { installationId: row.id };
  }
}
