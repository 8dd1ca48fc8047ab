import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Migration } from 'kysely/migration';
import { Migrator } from 'kysely/migration';

import { InvalidSpecError } from '../../../errors/caller.ts';
import { MigrationChangedError, RepositoryUnavailableError, SchemaTooNewError } from '../../../errors/repository.ts';
import type { AbortOptions, Logger } from '../../../runtime/options.ts';
import { toRepositoryError } from '../connection/pg-error.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { untilAborted } from '../connection/statement-runner.ts';
import type { Tables } from '../tables.ts';
import { checksums } from './checksums.ts';
import { migrations, type SchemaMigration } from './index.ts';

const historyTable = 'migrations';

/** The maximum waits of a migration for locks, in milliseconds. */
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
  /** The migrations of the library. @defaultValue those of this version */
  readonly known?: KnownMigrations | undefined;
}

/** The migrations that a version of the library has, by name. */
export interface KnownMigrations {
  readonly migrations: Readonly<Record<string, SchemaMigration>>;
  readonly checksums: Readonly<Record<string, string>>;
}

interface AppliedMigration {
  readonly name: string;
  /** Null if a version without checksums applied it. */
  readonly checksum: string | null;
  /**
   * The oldest migration at which a version may end and still work with this one. Null: no older
   * version works with it.
   */
  readonly compatibleFrom: string | null;
}

/** Migrates the schema to the version of this library, or reports why it has another one. */
export class SchemaMigrator {
  readonly #db: Kysely<Tables>;
  readonly #runner: StatementRunner;
  readonly #schema: string;
  readonly #logger: Logger;
  readonly #lockTimeouts: LockTimeouts;
  readonly #known: KnownMigrations;

  constructor(options: SchemaMigratorOptions) {
    this.#db = options.db;
    this.#runner = options.runner;
    this.#schema = options.schema;
    this.#logger = options.logger;
    this.#lockTimeouts = options.lockTimeouts ?? defaultLockTimeouts;
    this.#known = options.known ?? { migrations, checksums };
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
   * Returns the migrations that the schema lacks, in their order. A schema that a newer version has
   * migrated lacks none, if this version works with it.
   *
   * @throws SchemaTooNewError, MigrationChangedError, RepositoryUnavailableError
   */
  async missing(options: AbortOptions = {}): Promise<readonly string[]> {
    const known = Object.keys(this.#known.migrations).sort();
    const applied = await this.#applied(options);
    const names = applied.map(({ name }) => name);
    const missing = known.filter((name) => !names.includes(name));
    const newer = applied.filter(({ name }) => !known.includes(name));
    this.#checkCompatible(newer, known.at(-1) ?? '', missing.length === 0);
    for (const migration of applied) this.#checkUnchanged(migration);
    return missing;
  }

  /** @throws SchemaTooNewError - this version does not work with a migration that it does not have */
  #checkCompatible(newer: readonly AppliedMigration[], last: string, isComplete: boolean): void {
    const newest = newer
      .map(({ name }) => name)
      .sort()
      .at(-1);
    if (newest === undefined) return;
    const isCompatible = newer.every(({ compatibleFrom }) => compatibleFrom !== null && compatibleFrom <= last);
    if (!isComplete || !isCompatible) throw new SchemaTooNewError(last, newest);
    this.#logger.info('a newer version has migrated the database, and this one works with it', {
      schema: this.#schema,
      newest,
    });
  }

  #checkUnchanged({ name, checksum }: AppliedMigration): void {
    const expected = this.#known.checksums[name];
    if (checksum !== null && expected !== undefined && checksum !== expected)
      throw new MigrationChangedError(name, expected, checksum);
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
        // The columns do not exist before their migrations: a JSON of the row has null.
        .select([
          sql<string | null>`to_jsonb(history) ->> 'checksum'`.as('checksum'),
          sql<string | null>`to_jsonb(history) ->> 'compatible_from'`.as('compatibleFrom'),
        ]),
      options,
    );
  }

  async #migrate(): Promise<void> {
    try {
      const names = await this.#db.transaction().execute(async (transaction) => await this.#migrateIn(transaction));
      if (names.length > 0) this.#logger.info('migrated the database', { schema: this.#schema, migrations: names });
    } catch (error) {
      // If a newer version migrated first, the schema is complete, or `SchemaTooNewError` describes the
      // failure better.
      if ((await this.missing()).length > 0) throw toRepositoryError(error);
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
    await this.#recordFacts(transaction);
    return results.map((result) => result.migrationName);
  }

  /**
   * Records the checksums and the compatibility of the migrations that have none: those that this
   * transaction applied, and those that versions without the columns applied.
   */
  async #recordFacts(transaction: Transaction<Tables>): Promise<void> {
    const { migrations: known, checksums: sums } = this.#known;
    const compatible = Object.fromEntries(Object.entries(known).map(([name, each]) => [name, each.compatibleFrom]));
    const history = transaction.withSchema(this.#schema).updateTable(historyTable);
    await history
      .set({ checksum: valueOf(sums) })
      .where('checksum', 'is', null)
      .execute();
    await history
      .set({ compatible_from: valueOf(compatible) })
      .where('compatible_from', 'is', null)
      .execute();
  }

  /** Returns the migrations, each with a database that qualifies its tables. */
  #qualifiedMigrations(): Record<string, Migration> {
    return Object.fromEntries(
      Object.entries(this.#known.migrations).map(([name, migration]) => [
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

/** Returns the value of a row's migration among these, by its name. */
function valueOf(values: Readonly<Record<string, string | undefined>>): RawBuilder<string> {
  return sql<string>`${JSON.stringify(values)}::jsonb ->> name`;
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
