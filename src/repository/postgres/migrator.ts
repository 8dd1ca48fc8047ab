import { type Kysely, sql, type Transaction } from 'kysely';
import type { Migration } from 'kysely/migration';
import { Migrator } from 'kysely/migration';

import { InvalidSpecError } from '../../errors/caller.ts';
import { MigrationChangedError, RepositoryUnavailableError, SchemaTooNewError } from '../../errors/repository.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import { checksums } from './migrations/checksums.ts';
import { migrations } from './migrations/index.ts';
import { toRepositoryError } from './pg-error.ts';
import type { StatementRunner } from './statement-runner.ts';
import { untilAborted } from './statement-runner.ts';
import type { Tables } from './tables.ts';

const historyTable = 'migrations';

/** The longest waits of a migration for locks, in milliseconds. */
interface LockTimeouts {
  /** For the lock that other programs hold while they migrate. */
  readonly migrationMs: number;
  /** For the lock of a table, because statements of running hosts wait behind it. */
  readonly tableMs: number;
}

const defaultLockTimeouts: LockTimeouts = { migrationMs: 20_000, tableMs: 5_000 };

/** @internal */
export interface SchemaMigratorOptions {
  readonly db: Kysely<Tables>;
  readonly runner: StatementRunner;
  readonly schema: string;
  readonly logger: Logger;
  readonly lockTimeouts?: LockTimeouts | undefined;
}

interface AppliedMigration {
  readonly name: string;
  /** Null if a version without checksums applied it. */
  readonly checksum: string | null;
}

/** Migrates the schema to the version of this library, or reports why it has another one. */
export class SchemaMigrator {
  readonly #db: Kysely<Tables>;
  readonly #runner: StatementRunner;
  readonly #schema: string;
  readonly #logger: Logger;
  readonly #lockTimeouts: LockTimeouts;

  constructor(options: SchemaMigratorOptions) {
    this.#db = options.db;
    this.#runner = options.runner;
    this.#schema = options.schema;
    this.#logger = options.logger;
    this.#lockTimeouts = options.lockTimeouts ?? defaultLockTimeouts;
  }

  /**
   * Runs the missing migrations in one transaction: all of them or none. Any number of programs may
   * do so at the same time. If none is missing, it only reads and needs no right to create
   * anything. Returns the migrations that were missing.
   *
   * @throws SchemaTooNewError, MigrationChangedError, RepositoryUnavailableError
   */
  async migrate(options: AbortOptions = {}): Promise<readonly string[]> {
    const missing = await this.missing(options);
    if (missing.length > 0) await untilAborted(this.#migrate(), options.signal);
    return missing;
  }

  /**
   * Throws unless the schema has every migration.
   *
   * @throws InvalidSpecError - a migration is missing
   * @throws SchemaTooNewError, MigrationChangedError, RepositoryUnavailableError
   */
  async check(options: AbortOptions = {}): Promise<void> {
    const [missing] = await this.missing(options);
    if (missing === undefined) return;
    throw new InvalidSpecError(
      'migrate',
      `the schema ${this.#schema} lacks the migration ${missing}; open the database once with migrate: true`,
    );
  }

  /**
   * Returns the migrations that the schema lacks, in their order.
   *
   * @throws SchemaTooNewError, MigrationChangedError, RepositoryUnavailableError
   */
  async missing(options: AbortOptions = {}): Promise<readonly string[]> {
    const known = Object.keys(migrations).sort();
    const applied = await this.#applied(options);
    const names = applied.map(({ name }) => name);
    const newest = names
      .filter((name) => !known.includes(name))
      .sort()
      .at(-1);
    if (newest !== undefined) throw new SchemaTooNewError(known.at(-1) ?? '', newest);
    for (const migration of applied) checkUnchanged(migration);
    return known.filter((name) => !names.includes(name));
  }

  async #applied(options: AbortOptions): Promise<readonly AppliedMigration[]> {
    const history = `${quoted(this.#schema)}.${quoted(historyTable)}`;
    const found = await this.#runner.first(
      this.#db.selectNoFrom((eb) =>
        eb.cast<'true' | 'false'>(eb(eb.fn('to_regclass', [eb.val(history)]), 'is not', null), 'text').as('exists'),
      ),
      options,
    );
    if (found?.exists !== 'true') return [];
    return await this.#runner.rows(
      this.#db
        .withSchema(this.#schema)
        .selectFrom(`${historyTable} as history`)
        // The column is a varchar, for which a pool of the caller's may have a type parser.
        .select((eb) => eb.cast<string>('name', 'text').as('name'))
        // The column does not exist before its migration: a JSON of the row has null.
        .select(sql<string | null>`to_jsonb(history) ->> 'checksum'`.as('checksum')),
      options,
    );
  }

  async #migrate(): Promise<void> {
    try {
      const names = await this.#db.transaction().execute(async (transaction) => await this.#migrateIn(transaction));
      if (names.length > 0) this.#logger.info('migrated the database', { schema: this.#schema, migrations: names });
    } catch (error) {
      // If a newer version migrated first, `SchemaTooNewError` describes the failure better.
      await this.missing();
      throw toRepositoryError(error);
    }
  }

  async #migrateIn(transaction: Transaction<Tables>): Promise<readonly string[]> {
    const adapter = transaction.getExecutor().adapter;
    // The lock precedes the first read of the catalog. Otherwise two programs could both find no
    // tables, and both create them.
    await limitLockWaits(transaction, this.#lockTimeouts.migrationMs);
    await adapter.acquireMigrationLock(transaction, { lockTable: historyTable, lockRowId: '' });
    await limitLockWaits(transaction, this.#lockTimeouts.tableMs);
    const migrator = new Migrator({
      db: transaction,
      migrationTableSchema: this.#schema,
      migrationTableName: historyTable,
      migrationLockTableName: `${historyTable}_lock`,
      provider: { getMigrations: async () => this.#qualifiedMigrations() },
    });
    const { error, results = [] } = await migrator.migrateToLatest();
    if (error !== undefined)
      throw error instanceof Error ? error : new RepositoryUnavailableError('migration failed', { cause: error });
    await this.#recordChecksums(transaction);
    return results.map((result) => result.migrationName);
  }

  /**
   * Records the checksums of the migrations that have none: those that this transaction applied, and
   * those that versions without checksums applied.
   */
  async #recordChecksums(transaction: Transaction<Tables>): Promise<void> {
    await transaction
      .withSchema(this.#schema)
      .updateTable(historyTable)
      .set({ checksum: sql<string>`${JSON.stringify(checksums)}::jsonb ->> name` })
      .where('checksum', 'is', null)
      .execute();
  }

  /** Returns the migrations, each with a database that qualifies its tables. */
  #qualifiedMigrations(): Record<string, Migration> {
    return Object.fromEntries(
      Object.entries(migrations).map(([name, migration]) => [
        name,
        { up: async (db: Kysely<unknown>) => await migration.up(db.withSchema(this.#schema)) },
      ]),
    );
  }
}

/** Limits the waits for locks until the end of the transaction. */
async function limitLockWaits(transaction: Transaction<Tables>, timeoutMs: number): Promise<void> {
  await transaction
    .selectNoFrom((eb) =>
      eb.fn('set_config', [eb.val('lock_timeout'), eb.val(`${timeoutMs}`), eb.lit(true)]).as('limit'),
    )
    .execute();
}

function checkUnchanged({ name, checksum }: AppliedMigration): void {
  const expected = checksums[name];
  if (checksum !== null && expected !== undefined && checksum !== expected)
    throw new MigrationChangedError(name, expected, checksum);
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
