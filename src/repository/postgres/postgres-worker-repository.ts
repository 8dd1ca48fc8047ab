import { RepositoryUnavailableError } from '../../errors/repository.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import { checkText } from '../field-checks.ts';
import type { WorkerRepository } from '../worker-repository.ts';
import { jsonText, parse } from './rows.ts';
import type { StatementRunner } from './statement-runner.ts';
import { now, type StatementBuilder } from './tables.ts';

/** Workers in PostgreSQL. */
export class PostgresWorkerRepository implements WorkerRepository {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async register(workerName: string, options: AbortOptions = {}): Promise<{ readonly installationId: string }> {
    checkText('workerName', workerName, 253);
    const row = await this.#runner.first(
      this.#statements
        .with('registered', (db) =>
          db
            .insertInto('workers')
            .values({ name: workerName })
            .onConflict((conflict) => conflict.column('name').doNothing()),
        )
        .selectFrom('installation')
        // Drivers read a uuid in different ways.
        .select((eb) => eb.cast<string>('id', 'text').as('id')),
      options,
    );
    if (row === undefined) throw new RepositoryUnavailableError('the schema has no installation id');
    return { installationId: row.id };
  }

  async time(options: AbortOptions = {}): Promise<Date> {
    const statement = this.#statements.selectNoFrom((eb) => jsonText(eb.fn<string>('to_json', [now()])).as('at'));
    const row = await this.#runner.first(statement, options);
    if (row === undefined) throw new RepositoryUnavailableError('the database returned no time');
    return new Date(parse(row.at));
  }
}
