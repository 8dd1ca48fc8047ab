import { sleep } from '../../internal/system-clock.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import type { ContainerRepository } from '../container-repository.ts';
import type { Repository } from '../repository.ts';
import type { VolumeRepository } from '../volume-repository.ts';
import type { WorkerRepository } from '../worker-repository.ts';
import { type Connection, connect } from './connection.ts';
import type { Database } from './database.ts';
import { checkText } from './input.ts';
import { SchemaMigrator } from './migrator.ts';
import { PostgresContainerRepository } from './postgres-container-repository.ts';
import { PostgresVolumeRepository } from './postgres-volume-repository.ts';
import { PostgresWorkerRepository } from './postgres-worker-repository.ts';
import { StatementRunner } from './statement-runner.ts';
import { defaultSchema, type StatementBuilder, statementsOf } from './tables.ts';

/** Options of `openRepository`. The signal covers only the opening. */
export interface OpenRepositoryOptions extends AbortOptions {
  /** Whether to bring the schema to what this version needs. @defaultValue true */
  readonly migrate?: boolean | undefined;
  /** The database schema that has the tables. @defaultValue `'kubernetes_worker'` */
  readonly schema?: string | undefined;
  readonly logger: Logger;
}

/**
 * Opens the database, migrated; any number of programs may do so at the same time.
 *
 * @throws InvalidSpecError - `database` is no database, `pg` is needed and not installed, the credentials or permissions don't do; or of `migrate`, where that is false and the schema is not up to date
 * @throws SchemaTooNewError - a newer version was here
 * @throws RepositoryUnavailableError - the database does not answer
 */
export async function openRepository(database: Database, options: OpenRepositoryOptions): Promise<Repository> {
  const { migrate = true, schema = defaultSchema, logger, signal } = options;
  signal?.throwIfAborted();
  checkText('schema', schema, 63);
  const connection = await connect(database, logger);
  const runner = new StatementRunner({ db: connection.db, pause });
  try {
    const migrator = new SchemaMigrator({ db: connection.db, runner, schema, logger });
    await (migrate ? migrator.migrate({ signal }) : migrator.check({ signal }));
  } catch (error) {
    const closed = connection.close();
    // Whoever stopped waiting does not wait for a statement that still runs either.
    if (signal?.aborted === true)
      closed.catch((failure: unknown) => logger.warn('a database pool did not close', { error: String(failure) }));
    else await closed;
    throw error;
  }
  return new PostgresRepository(connection, runner, statementsOf(connection.db, schema));
}

class PostgresRepository implements Repository {
  readonly containers: ContainerRepository;
  readonly volumes: VolumeRepository;
  readonly workers: WorkerRepository;
  readonly #connection: Connection;
  readonly #runner: StatementRunner;
  #closed: Promise<void> | undefined;

  constructor(connection: Connection, runner: StatementRunner, statements: StatementBuilder) {
    this.#connection = connection;
    this.#runner = runner;
    this.containers = new PostgresContainerRepository(runner, statements);
    this.volumes = new PostgresVolumeRepository(runner, statements);
    this.workers = new PostgresWorkerRepository(runner, statements);
  }

  async close(): Promise<void> {
    this.#runner.close();
    this.#closed ??= this.#connection.close();
    await this.#closed;
  }
}

/** A random moment of up to 10, 20, 40, … ms, so that those who undid each other don't meet again. */
async function pause(attempt: number): Promise<void> {
  await sleep(Math.random() * 5 * 2 ** attempt);
}
