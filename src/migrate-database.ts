import { silentLogger } from './internal/silent-logger.ts';
import type { Database } from './repository/postgres/connection/database.ts';
import type { AbortOptions, Logger } from './runtime/options.ts';
import { checkShape } from './validation/shape.ts';
import { migrateDatabaseOptions } from './validation/worker-shapes.ts';

/**
 * Options of `migrateDatabase`.
 *
 * @public
 */
export interface MigrateDatabaseOptions extends AbortOptions {
  /** Whether to change nothing, and only return what is missing. @defaultValue false */
  readonly check?: boolean | undefined;
  /** Receives log messages. @defaultValue nothing is logged */
  readonly logger?: Logger | undefined;
}

/**
 * The result of `migrateDatabase`.
 *
 * @public
 */
export interface MigratedDatabase {
  /**
   * The names of the migrations that the schema lacked when the call began, in their order. With
   * `check` it still lacks them. None if the schema has the version of this library.
   */
  readonly missing: readonly string[];
}

/**
 * Migrates the schema of a database to the version of this library, as `KubernetesWorker.open` does,
 * for a deployment that migrates once before its hosts start with `migrate: false`. All missing
 * migrations are applied in one transaction, or none. Any number of programs may call it at the same
 * time. The call closes the pool that it opens for a URL. The signal stops the wait for the database.
 *
 * @example
 * ```ts
 * import { migrateDatabase } from 'kubernetes-worker';
 *
 * const { missing } = await migrateDatabase('postgres://ci@db/ci', { check: true });
 * if (missing.length > 0) console.log(`the database lacks ${missing.join(', ')}`);
 * ```
 *
 * @throws InvalidSpecError if an argument is invalid, or if the credentials or permissions are
 * insufficient
 * @throws SchemaTooNewError if a newer version of the library has migrated the database
 * @throws MigrationChangedError if another program has applied a migration of the same name
 * @throws RepositoryUnavailableError if the database does not answer
 *
 * @public
 */
export async function migrateDatabase(
  database: Database,
  options: MigrateDatabaseOptions = {},
): Promise<MigratedDatabase> {
  checkShape('options', migrateDatabaseOptions, options);
  const { check = false, logger = silentLogger, signal } = options;
  // Imported here, because kysely takes as long to load as all modules of the library.
  const { migrateSchema } = await import('./repository/postgres/open-repository.ts');
  return { missing: await migrateSchema(database, { check, logger, signal }) };
}
