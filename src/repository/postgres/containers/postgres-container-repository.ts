import { OwnerFinishedError } from '../../../errors/owner.ts';
import {
  ContainerDisappearedError,
  IllegalTransitionError,
  LeaseLostError,
  RepositoryUnavailableError,
} from '../../../errors/repository.ts';
import type { ContainerOwner } from '../../../runtime/container.ts';
import type { AbortOptions } from '../../../runtime/options.ts';
import type {
  ContainerRepository,
  DeletedContainers,
  FindDestroyableOptions,
  FindOrInsertOptions,
  FoundContainer,
  Lease,
  MarkOwnerFinishedOptions,
  NewContainer,
  RecordHijackOptions,
  RecordProcessResultOptions,
} from '../../container-repository.ts';
import { checkOwner, checkProperty, checkText } from '../../field-checks.ts';
import type { ContainerRecord, ProcessResultRecord, VolumeRecord } from '../../records.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { checkHandles, deleteAllContainers, deletedHandles } from '../delete-all.ts';
import { checkDuration } from '../input.ts';
import { jsonText, parse, toContainer, toProcessResult, toVolume } from '../rows.ts';
import type { StatementBuilder } from '../tables.ts';
import { selectProperties, upsertProperty } from './container-properties.ts';
import { deleteDestroying, destroyableSearch, moveDueContainers, selectDestroyable } from './destroyable-containers.ts';
import { checkNewContainer, findLive, insertUnlessLive, toFound, toLive } from './find-or-insert.ts';
import { deleteFinished, moveFinished, recordFinished } from './finished-owners.ts';
import { endLease, extendLease, moveHeld, selectHolding, setPodUid } from './held-container.ts';
import { markHijackEnded, selectStartedHijack, upsertHijack } from './hijacks.ts';
import { keepFinished } from './kept-containers.ts';
import { insertResult, selectResult } from './process-results.ts';

/**
 * How often `findOrInsert` repeats when the live row disappears between its insert and its search.
 */
const findOrInsertRounds = 8;

/**
 * Containers in PostgreSQL. Every method is one statement, except `findOrInsert`, `findDestroyable`,
 * `markOwnerFinished` with `final`, and a move that finds no row to move: a second statement then
 * reads the row's state.
 */
export class PostgresContainerRepository implements ContainerRepository {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async findOrInsert(
    workerName: string,
    owner: ContainerOwner,
    lease: Lease,
    make: () => NewContainer | Promise<NewContainer>,
    { specDigest, ...options }: FindOrInsertOptions = {},
  ): Promise<FoundContainer> {
    checkText('workerName', workerName, 253);
    checkOwner(owner);
    checkLease(lease);
    let made: NewContainer | undefined;
    for (let round = 1; round <= findOrInsertRounds; round += 1) {
      const search = findLive(this.#statements, workerName, owner, lease, specDigest);
      const live = toLive(await this.#runner.first(search, options), workerName, owner);
      if (live !== undefined) return live;
      made ??= checked(await make(), workerName, owner);
      const inserted = await this.#runner.first(insertUnlessLive(this.#statements, made, lease), options);
      if (inserted !== undefined) return toFound(inserted);
    }
    throw new RepositoryUnavailableError(
      `the live container of an owner disappeared ${findOrInsertRounds} times during the search for it`,
    );
  }

  async renewLease(handle: string, lease: Lease, options: AbortOptions = {}): Promise<boolean> {
    checkLease(lease);
    return (await this.#runner.first(extendLease(this.#statements, handle, lease), options)) !== undefined;
  }

  async releaseLease(handle: string, holder: string, options: AbortOptions = {}): Promise<boolean> {
    return (await this.#runner.first(endLease(this.#statements, handle, holder), options)) !== undefined;
  }

  async lookup(workerName: string, handle: string, options: AbortOptions = {}): Promise<ContainerRecord | undefined> {
    const row = await this.#runner.first(
      this.#statements
        .selectFrom('containers')
        .select((eb) => jsonText(eb.fn.toJson('containers')).as('row'))
        .where('worker_name', '=', workerName)
        .where('handle', '=', handle),
      options,
    );
    return row === undefined ? undefined : toContainer(parse(row.row));
  }

  async volumesOf(handle: string, options: AbortOptions = {}): Promise<readonly VolumeRecord[]> {
    const rows = await this.#runner.rows(
      this.#statements
        .selectFrom('volumes')
        .innerJoin('containers', 'containers.id', 'volumes.container_id')
        .select((eb) => jsonText(eb.fn.toJson('volumes')).as('row'))
        .where('containers.handle', '=', handle)
        .orderBy('volumes.id'),
      options,
    );
    return rows.map(({ row }) => toVolume(parse(row), handle));
  }

  async recordPod(handle: string, holder: string, podUid: string, options: AbortOptions = {}): Promise<void> {
    checkText('podUid', podUid, 253);
    const row = await this.#runner.first(setPodUid(this.#statements, handle, holder, podUid), options);
    if (row === undefined) throw await this.#refusal(handle, 'creating', options);
  }

  async markCreated(handle: string, holder: string, options: AbortOptions = {}): Promise<number> {
    return await this.#move(handle, holder, 'created', options);
  }

  async markFailed(handle: string, holder: string, options: AbortOptions = {}): Promise<void> {
    await this.#move(handle, holder, 'failed', options);
  }

  async markOwnerFinished(
    workerName: string,
    owner: ContainerOwner,
    { handle, final = false, keepForMs, ...options }: MarkOwnerFinishedOptions = {},
  ): Promise<number> {
    checkOwner(owner);
    if (keepForMs !== undefined) checkDuration('keepForMs', keepForMs);
    // Recorded first: `markCreated` then refuses a container that is inserted too late for the
    // move.
    if (final) await this.#runner.rows(recordFinished(this.#statements, workerName, owner, { handle }), options);
    const move =
      keepForMs === undefined
        ? moveFinished(this.#statements, workerName, owner, { handle })
        : keepFinished(this.#statements, workerName, owner, { handle, keepForMs });
    return (await this.#runner.rows(move, options)).length;
  }

  async pruneFinishedOwners(workerName: string, olderThanMs: number, options: AbortOptions = {}): Promise<number> {
    checkDuration('olderThanMs', olderThanMs);
    const row = await this.#runner.first(deleteFinished(this.#statements, workerName, olderThanMs), options);
    return Number(row?.count ?? 0);
  }

  async findDestroyable(
    workerName: string,
    limit: number,
    options: FindDestroyableOptions = {},
  ): Promise<readonly ContainerRecord[]> {
    const search = destroyableSearch(workerName, limit, options);
    await this.#runner.rows(moveDueContainers(this.#statements, search), options);
    // A second statement after the moves, because only now it sees a stream that was opened just
    // before them.
    const rows = await this.#runner.rows(selectDestroyable(this.#statements, search), options);
    return rows.map(({ row }) => toContainer(parse(row)));
  }

  async delete(handle: string, options: AbortOptions = {}): Promise<number> {
    const row = await this.#runner.first(deleteDestroying(this.#statements, handle), options);
    if (row !== undefined) return Number(row.volumes);
    const state = await this.#stateOf(handle, options);
    if (state !== undefined) throw new IllegalTransitionError(`container ${handle}`, state, 'deleted');
    return 0;
  }

  async deleteAll(handles: readonly string[], options: AbortOptions = {}): Promise<DeletedContainers> {
    if (handles.length === 0) return { handles: [], volumes: 0 };
    checkHandles(handles);
    const row = await this.#runner.first(deleteAllContainers(this.#statements, handles), options);
    return { handles: deletedHandles(row), volumes: Number(row?.volumes ?? 0) };
  }

  async properties(handle: string, options: AbortOptions = {}): Promise<Readonly<Record<string, string>>> {
    const rows = await this.#runner.rows(selectProperties(this.#statements, handle), options);
    if (rows.length === 0) throw disappeared(handle);
    return Object.fromEntries(
      rows.flatMap(({ name, value }) => (name === null || value === null ? [] : [[name, value]])),
    );
  }

  async setProperty(handle: string, name: string, value: string, options: AbortOptions = {}): Promise<void> {
    checkProperty('name', name, 'value', value);
    const row = await this.#runner.first(upsertProperty(this.#statements, handle, name, value), options);
    if (row === undefined) throw disappeared(handle);
  }

  async recordHijack(
    handle: string,
    processId: string,
    { isStarted = false, ...options }: RecordHijackOptions = {},
  ): Promise<void> {
    checkText('processId', processId, 100);
    const row = await this.#runner.first(upsertHijack(this.#statements, handle, processId, isStarted), options);
    if (row === undefined) throw disappeared(handle);
  }

  async endHijack(handle: string, processId: string, options: AbortOptions = {}): Promise<void> {
    await this.#runner.rows(markHijackEnded(this.#statements, handle, processId), options);
  }

  async isHijack(handle: string, processId: string, options: AbortOptions = {}): Promise<boolean> {
    return (await this.#runner.first(selectStartedHijack(this.#statements, handle, processId), options)) !== undefined;
  }

  async recordProcessResult(
    handle: string,
    processId: string,
    result: ProcessResultRecord,
    { properties = {}, ...options }: RecordProcessResultOptions = {},
  ): Promise<void> {
    checkText('processId', processId, 100);
    for (const [name, value] of Object.entries(properties))
      checkProperty(`properties[${JSON.stringify(name)}]`, name, `properties.${name}`, value);
    const statement = insertResult(this.#statements, handle, processId, result, properties);
    const row = await this.#runner.first(statement, options);
    if (row === undefined) throw disappeared(handle);
  }

  async findProcessResult(
    handle: string,
    processId: string,
    options: AbortOptions = {},
  ): Promise<ProcessResultRecord | undefined> {
    const found = await this.#runner.first(selectResult(this.#statements, handle, processId), options);
    return found === undefined ? undefined : toProcessResult(parse(found.row));
  }

  async #move(handle: string, holder: string, to: 'created' | 'failed', options: AbortOptions): Promise<number> {
    const row = await this.#runner.first(moveHeld(this.#statements, handle, holder, to), options);
    if (row === undefined) throw await this.#refusal(handle, to, options);
    return Number(row.generation);
  }

  /**
   * Returns the reason why a move by the lease's holder found no row. Every such move is legal
   * while the row is `creating`.
   */
  async #refusal(handle: string, to: string, options: AbortOptions): Promise<Error> {
    const row = await this.#runner.first(selectHolding(this.#statements, handle), options);
    if (row === undefined) return disappeared(handle);
    const { state, worker_name: workerName, owner_kind: kind, owner_key: key, finished } = row;
    if (state !== 'creating') return new IllegalTransitionError(`container ${handle}`, state, to);
    const isRefusedOwner = to === 'created' && finished === 'true';
    return isRefusedOwner ? new OwnerFinishedError({ kind, key }, workerName) : new LeaseLostError(handle);
  }

  async #stateOf(handle: string, options: AbortOptions): Promise<string | undefined> {
    const row = await this.#runner.first(
      this.#statements.selectFrom('containers').select('state').where('handle', '=', handle),
      options,
    );
    return row?.state;
  }
}

function checkLease(lease: Lease): void {
  checkText('lease.holder', lease.holder, 253);
  checkDuration('lease.durationMs', lease.durationMs);
}

function checked(made: NewContainer, workerName: string, owner: ContainerOwner): NewContainer {
  checkNewContainer(made, workerName, owner);
  return made;
}

/** The worker is unknown because the row no longer exists. */
function disappeared(handle: string): ContainerDisappearedError {
  return new ContainerDisappearedError(handle, 'unknown');
}
