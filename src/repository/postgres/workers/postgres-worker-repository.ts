import { RepositoryUnavailableError } from '../../../errors/repository.ts';
import type { AbortOptions } from '../../../runtime/options.ts';
import type { Lease } from '../../container-repository.ts';
import { checkText } from '../../field-checks.ts';
import type { BeginReapOptions, WorkerRepository } from '../../worker-repository.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { checkDuration } from '../input.ts';
import { jsonText, parse } from '../rows.ts';
import { fromNow, now, type StatementBuilder } from '../tables.ts';

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

  async beginReap(
    workerName: string,
    { holder, durationMs }: Lease,
    { sinceMs, ...options }: BeginReapOptions,
  ): Promise<boolean> {
    checkText('holder', holder, 253);
    checkDuration('durationMs', durationMs);
    checkDuration('sinceMs', sinceMs);
    const begun = await this.#runner.first(
      this.#statements
        .updateTable('workers')
        .set({ reaper_holder: holder, reaper_until: fromNow(durationMs), reaped_at: now() })
        .where('name', '=', workerName)
        .where((eb) =>
          eb.or([eb('reaper_until', 'is', null), eb('reaper_until', '<=', now()), eb('reaper_holder', '=', holder)]),
        )
        .where((eb) => eb.or([eb('reaped_at', 'is', null), eb('reaped_at', '<=', fromNow(-sinceMs))]))
        .returning('name'),
      options,
    );
    return begun !== undefined;
  }

  async renewReap(workerName: string, { holder, durationMs }: Lease, options: AbortOptions = {}): Promise<boolean> {
    checkDuration('durationMs', durationMs);
    const renewed = await this.#runner.first(
      this.#statements
        .updateTable('workers')
        .set({ reaper_until: fromNow(durationMs) })
        .where('name', '=', workerName)
        .where('reaper_holder', '=', holder)
        .returning('name'),
      options,
    );
    return renewed !== undefined;
  }

  async endReap(workerName: string, holder: string, options: AbortOptions = {}): Promise<void> {
    await this.#runner.rows(
      this.#statements
        .updateTable('workers')
        .set({ reaper_holder: null, reaper_until: null })
        .where('name', '=', workerName)
        .where('reaper_holder', '=', holder),
      options,
    );
  }

  async time(options: AbortOptions = {}): Promise<Date> {
    const statement = this.#statements.selectNoFrom((eb) => jsonText(eb.fn<string>('to_json', [now()])).as('at'));
    const row = await this.#runner.first(statement, options);
    if (row === undefined) throw new RepositoryUnavailableError('the database returned no time');
    return new Date(parse(row.at));
  }
}
