import { RepositoryUnavailableError } from '../../errors/repository.ts';
import { systemClock } from '../../internal/system-clock.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import { statementMetrics } from '../../telemetry/database-metrics.ts';
import type { ArchiveRepository } from '../archive-repository.ts';
import type { CacheRepository } from '../cache-repository.ts';
import type { ContainerQueries } from '../container-queries.ts';
import type { ContainerRepository } from '../container-repository.ts';
import { checkText } from '../field-checks.ts';
import type { PlacementQueries } from '../placement-queries.ts';
import type { Repository } from '../repository.ts';
import type { ReservationRepository } from '../reservation-repository.ts';
import type { VolumeRepository } from '../volume-repository.ts';
import type { VolumeStreamRepository } from '../volume-stream-repository.ts';
import type { WorkerRepository } from '../worker-repository.ts';
import type { WorkerStates } from '../worker-states.ts';
import { PostgresArchiveRepository } from './archives/postgres-archive-repository.ts';
import { PostgresCacheRepository } from './caches/postgres-cache-repository.ts';
import { type Connection, connect } from './connection/connection.ts';
import type { Database } from './connection/database.ts';
import { StatementRunner } from './connection/statement-runner.ts';
import { PostgresContainerQueries } from './containers/postgres-container-queries.ts';
import { PostgresContainerRepository } from './containers/postgres-container-repository.ts';
import { SchemaMigrator } from './migrations/migrator.ts';
import { PostgresPlacementQueries } from './placement/postgres-placement-queries.ts';
import { PostgresReservationRepository } from './placement/postgres-reservation-repository.ts';
import { defaultSchema, type StatementBuilder, statementsOf } from './tables.ts';
import { PostgresVolumeRepository } from './volumes/postgres-volume-repository.ts';
import { PostgresVolumeStreamRepository } from './volumes/postgres-volume-stream-repository.ts';
import { PostgresWorkerRepository } from './workers/postgres-worker-repository.ts';
import { PostgresWorkerStates } from './workers/postgres-worker-states.ts';

/** Options of `openRepository`. The signal applies only while the repository opens. */
export interface OpenRepositoryOptions extends AbortOptions {
  /**
   * Whether to migrate the schema to the version of this library. With `'unchecked'` it may have any
   * version, and the database need not answer. @defaultValue true
   */
  readonly migrate?: boolean | 'unchecked' | undefined;
  /** The database schema of the tables. @defaultValue `'kubernetes_worker'` */
  readonly schema?: string | undefined;
  readonly logger: Logger;
}

/**
 * Opens the database and migrates it. Any number of programs may do so at the same time.
 *
 * @throws InvalidSpecError - of `database`: it is not a database, it requires the package `pg`,
 * which is not installed, or its credentials or permissions are insufficient; of `migrate`: it is
 * false and the schema lacks a migration
 * @throws SchemaTooNewError - a newer version has migrated the schema
 * @throws RepositoryUnavailableError - the database does not answer
 */
export async function openRepository(database: Database, options: OpenRepositoryOptions): Promise<Repository> {
  const { migrate = true, schema = defaultSchema, logger, signal } = options;
  signal?.throwIfAborted();
  checkText('schema', schema, 63);
  const connection = await connect(database, logger);
  const runner = new StatementRunner({ db: connection.db, clock: systemClock(), observe: statementMetrics() });
  const migrator = new SchemaMigrator({ db: connection.db, runner, schema, logger });
  try {
    if (migrate !== 'unchecked') await (migrate ? migrator.migrate({ signal }) : migrator.check({ signal }));
  } catch (error) {
    await closeAfter(connection, { signal, logger });
    throw error;
  }
  return new PostgresRepository(connection, { runner, migrator }, statementsOf(connection.db, schema));
}

/** Options of `migrateSchema`. */
export interface MigrateSchemaOptions extends Omit<OpenRepositoryOptions, 'migrate'> {
  /** Whether to change nothing. */
  readonly check: boolean;
}

/**
 * Migrates the schema, and returns the migrations that it lacked.
 *
 * @throws InvalidSpecError, SchemaTooNewError, MigrationChangedError, RepositoryUnavailableError
 */
export async function migrateSchema(database: Database, options: MigrateSchemaOptions): Promise<readonly string[]> {
  const { check, schema = defaultSchema, logger, signal } = options;
  signal?.throwIfAborted();
  const connection = await connect(database, logger);
  try {
    const runner = new StatementRunner({ db: connection.db, clock: systemClock() });
    const migrator = new SchemaMigrator({ db: connection.db, runner, schema, logger });
    return await (check ? migrator.missing({ signal }) : migrator.migrate({ signal }));
  } finally {
    await closeAfter(connection, { signal, logger });
  }
}

/** Closes a connection. After an abort, the caller does not wait for a statement that still runs. */
async function closeAfter(
  connection: Connection,
  { signal, logger }: Pick<OpenRepositoryOptions, 'signal' | 'logger'>,
): Promise<void> {
  const closed = connection.close();
  if (signal?.aborted !== true) return await closed;
  closed.catch((failure: unknown) => logger.warn('a database pool did not close', { error: String(failure) }));
}

class PostgresRepository implements Repository {
  readonly containers: ContainerRepository;
  readonly queries: ContainerQueries;
  readonly volumes: VolumeRepository;
  readonly streams: VolumeStreamRepository;
  readonly caches: CacheRepository;
  readonly archives: ArchiveRepository;
  readonly workers: WorkerRepository;
  readonly workerStates: WorkerStates;
  readonly placement: PlacementQueries;
  readonly reservations: ReservationRepository;
  readonly #connection: Connection;
  readonly #runner: StatementRunner;
  readonly #migrator: SchemaMigrator;
  readonly #statements: StatementBuilder;
  #closed: Promise<void> | undefined;

  constructor(
    connection: Connection,
    { runner, migrator }: { readonly runner: StatementRunner; readonly migrator: SchemaMigrator },
    statements: StatementBuilder,
  ) {
    this.#migrator = migrator;
    this.#statements = statements;
    this.#connection = connection;
    this.#runner = runner;
    this.containers = new PostgresContainerRepository(runner, statements);
    this.queries = new PostgresContainerQueries(runner, statements);
    this.volumes = new PostgresVolumeRepository(runner, statements);
    this.streams = new PostgresVolumeStreamRepository(runner, statements);
    this.caches = new PostgresCacheRepository(runner, statements);
    this.archives = new PostgresArchiveRepository(runner, statements);
    this.placement = new PostgresPlacementQueries(runner, statements);
    this.reservations = new PostgresReservationRepository(runner, statements);
    this.workers = new PostgresWorkerRepository(runner, statements);
    this.workerStates = new PostgresWorkerStates(runner, statements);
  }

  async missingMigrations(options?: AbortOptions): Promise<readonly string[]> {
    return await this.#migrator.missing(options);
  }

  async installationId(options?: AbortOptions): Promise<string> {
    const row = await this.#runner.first(
      this.#statements.selectFrom('installation').select((eb) => eb.cast<string>('id', 'text').as('id')),
      options,
    );
    if (row === undefined) throw new RepositoryUnavailableError('the schema has no installation id');
    return row.id;
  }

  async close(): Promise<void> {
    this.#runner.close();
    this.#closed ??= this.#connection.close();
    await this.#closed;
  }
}
