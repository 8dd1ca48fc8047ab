import { InvalidSpecError } from '../../../errors/caller.ts';
import { IllegalTransitionError, RepositoryUnavailableError } from '../../../errors/repository.ts';
import type { AbortOptions } from '../../../runtime/options.ts';
import type { LandOptions, WorkerInfo } from '../../../runtime/worker-lifecycle.ts';
import type { WorkerList, WorkerMove, WorkerStates } from '../../worker-states.ts';
import { sqlStateOf } from '../connection/pg-error.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { checkDuration } from '../input.ts';
import { parse } from '../rows.ts';
import type { StatementBuilder } from '../tables.ts';
import {
  deleteEmpty,
  deleteWithRows,
  type MovedWorker,
  moveWorker,
  type RequestedState,
  recordHeartbeat,
  retirePrunable,
} from './worker-moves.ts';
import { toState, toWorkerInfo, type WorkerColumns, workerColumns } from './worker-rows.ts';

/** The states of workers in PostgreSQL. Every method is one statement, except `prune`. */
export class PostgresWorkerStates implements WorkerStates {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async find(workerName: string, options: AbortOptions = {}): Promise<WorkerInfo | undefined> {
    const row = await this.#runner.first(
      this.#statements.selectFrom('workers').select(workerColumns()).where('workers.name', '=', workerName),
      options,
    );
    return row === undefined ? undefined : toWorkerInfo(row);
  }

  async list(options: AbortOptions = {}): Promise<WorkerList> {
    const rows = await this.#runner.rows(
      this.#statements.selectFrom('workers').select(workerColumns()).orderBy('workers.name'),
      options,
    );
    const workers: WorkerInfo[] = [];
    const unreadable: string[] = [];
    for (const row of rows) {
      const worker = readable(row);
      if (worker === undefined) unreadable.push(parse(row.row).name);
      else workers.push(worker);
    }
    return { workers, unreadable };
  }

  async heartbeat(
    workerName: string,
    expiresInMs: number,
    options: AbortOptions = {},
  ): Promise<WorkerMove | undefined> {
    checkDuration('expiresInMs', expiresInMs);
    return toMove(await this.#runner.first(recordHeartbeat(this.#statements, workerName, expiresInMs), options));
  }

  async land(
    workerName: string,
    { artifacts = 'wait', ...options }: LandOptions = {},
  ): Promise<WorkerMove | undefined> {
    return await this.#move(workerName, { state: 'landing', landArtifacts: artifacts }, options);
  }

  async resume(workerName: string, options: AbortOptions = {}): Promise<WorkerMove | undefined> {
    return await this.#move(workerName, { state: 'running' }, options);
  }

  async retire(workerName: string, options: AbortOptions = {}): Promise<WorkerMove | undefined> {
    return await this.#move(workerName, { state: 'retiring' }, options);
  }

  async deleteRetired(workerName: string, options: AbortOptions = {}): Promise<boolean> {
    try {
      return (await this.#runner.first(deleteEmpty(this.#statements, workerName), options)) !== undefined;
    } catch (error) {
      // A host of an older version, which does not read the state, has just inserted a row.
      if (isReferenced(error)) return false;
      throw error;
    }
  }

  async prune(workerName: string, options: AbortOptions = {}): Promise<boolean> {
    // From here on, no host of this version inserts a row, so that the deletion sees all rows.
    const retired = await this.#runner.first(retirePrunable(this.#statements, workerName), options);
    if (retired !== undefined && (await this.#deleteWithRows(workerName, options))) return true;
    const worker = await this.find(workerName, options);
    if (worker === undefined) return false;
    throw new IllegalTransitionError(`worker ${workerName}`, worker.state, 'pruned');
  }

  async #deleteWithRows(workerName: string, options: AbortOptions): Promise<boolean> {
    try {
      return (await this.#runner.first(deleteWithRows(this.#statements, workerName), options)) !== undefined;
    } catch (error) {
      if (!isReferenced(error)) throw error;
      throw new RepositoryUnavailableError(`a host adds rows to worker ${workerName}`, { cause: error });
    }
  }

  async #move(workerName: string, to: RequestedState, options: AbortOptions): Promise<WorkerMove | undefined> {
    return toMove(await this.#runner.first(moveWorker(this.#statements, workerName, to), options));
  }
}

function toMove(row: MovedWorker | undefined): WorkerMove | undefined {
  if (row === undefined) return undefined;
  const worker = toWorkerInfo(row);
  return { from: toState(worker.name, row.state_before), worker };
}

function readable(row: WorkerColumns): WorkerInfo | undefined {
  try {
    return toWorkerInfo(row);
  } catch {
    return undefined;
  }
}

/** Returns whether a deletion was refused because another row references the deleted one. */
function isReferenced(error: unknown): boolean {
  return error instanceof InvalidSpecError && sqlStateOf(error.cause) === '23503';
}
