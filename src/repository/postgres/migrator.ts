import type { Kysely, Transaction } from 'kysely';
import { sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { Migrator } from 'kysely/migration';

import { InvalidSpecError } from '../../errors/caller.ts';
import { RepositoryUnavailableError, SchemaTooNewError } from '../../errors/repository.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import { migrations } from './migrations/index.ts';
import { toRepositoryError } from './pg-error.ts';
import type { StatementRunner } from './statement-runner.ts';
import { untilAborted } from './statement-runner.ts';
import { tablesOf } from './tables.ts';

const historyTable = 'migrations';

/** @internal */
export interface SchemaMigratorOptions {
  readonly db: Kysely<unknown>;
  readonly runner: StatementRunner;
  readonly schema: string;
  readonly logger: Logger;
}

/** Brings the schema to what this version needs, or says why it is not. */
export class SchemaMigrator {
  readonly #db: Kysely<unknown>;
  readonly #runner: StatementRunner;
  readonly #schema: string;
  readonly #logger: Logger;

  constructor(options: SchemaMigratorOptions) {
    this.#db = options.db;
    this.#runner = options.runner;
    this.#schema = options.schema;
    this.#logger = options.logger;
  }

  /**
   * Runs what is missing in one transaction: all of it or nothing. Any number of openers may do so at the same time. Where nothing is missing it only looks,
   * and needs no right to create anything.
   *
   * @throws SchemaTooNewError, RepositoryUnavailableError
   */
  async migrate(options: AbortOptions = {}): Promise<void> {
    if ((await this.#pending(options)).length === 0) return;
    await untilAborted(this.#migrate(), options.signal);
  }

  /** @throws InvalidSpecError - something is missing. SchemaTooNewError, RepositoryUnavailableError */
  async check(options: AbortOptions = {}): Promise<void> {
    const [missing] = await this.#pending(options);
    if (missing === undefined) return;
    throw new InvalidSpecError(
      'migrate',
      `the schema ${this.#schema} lacks the migration ${missing}; open the database once with migrate: true`,
    );
  }

  async #pending(options: AbortOptions): Promise<readonly string[]> {
    const known = Object.keys(migrations).sort();
    const applied = await this.#applied(options);
    const unknown = applied.filter((name) => !known.includes(name)).sort();
    const newest = unknown.at(-1);
    if (newest !== undefined) throw new SchemaTooNewError(known.at(-1) ?? '', newest);
    return known.filter((name) => !applied.includes(name));
  }

  async #applied(options: AbortOptions): Promise<readonly string[]> {
    const history = sql.id(this.#schema, historyTable);
    const table = `${quoted(this.#schema)}.${quoted(historyTable)}`;
    const found = await this.#runner.first(
      sql<{ exists: string }>`select (to_regclass(${table}) is not null)::text as exists`,
      options,
    );
    if (found?.exists !== 'true') return [];
    const rows = await this.#runner.rows(sql<{ name: string }>`select name::text as name from ${history}`, options);
    return rows.map((row) => row.name);
  }

  async #migrate(): Promise<void> {
    try {
      const names = await this.#db.transaction().execute(async (transaction) => await this.#migrateIn(transaction));
      if (names.length > 0) this.#logger.info('migrated the database', { schema: this.#schema, migrations: names });
    } catch (error) {
      // A newer version may have been faster, and then there is a better word for what went wrong.
      await this.#pending({});
      throw toRepositoryError(error);
    }
  }

  async #migrateIn(transaction: Transaction<unknown>): Promise<readonly string[]> {
    const adapter = transaction.getExecutor().adapter;
    // The lock comes before the first look at the catalogue, so that two that find nothing don't both create it.
    await adapter.acquireMigrationLock(transaction, { lockTable: historyTable, lockRowId: '' });
    const migrator = new Migrator({
      db: transaction,
      migrationTableSchema: this.#schema,
      migrationTableName: historyTable,
      migrationLockTableName: `${historyTable}_lock`,
      provider: { getMigrations: async () => this.#kyselyMigrations() },
    });
    const { error, results = [] } = await migrator.migrateToLatest();
    if (error !== undefined)
      throw error instanceof Error ? error : new RepositoryUnavailableError('migration failed', { cause: error });
    return results.map((result) => result.migrationName);
  }

  #kyselyMigrations(): Record<string, Migration> {
    const tables = tablesOf(this.#schema);
    return Object.fromEntries(
      Object.entries(migrations).map(([name, statements]) => [
        name,
        {
          up: async (db: Kysely<unknown>) => {
            for (const statement of statements(tables)) await statement.execute(db);
          },
        },
      ]),
    );
  }
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
