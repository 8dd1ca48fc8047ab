import type { Expression, ExpressionBuilder, SqlBool } from 'kysely';
import { jsonArrayFrom } from 'kysely/helpers/postgres';

import { InvalidSpecError } from '../../../errors/caller.ts';
import { ContainerDisappearedError, RepositoryUnavailableError } from '../../../errors/repository.ts';
import type { ContainerOwner } from '../../../runtime/container.ts';
import type { ContainerQuery } from '../../../runtime/container-query.ts';
import type { AbortOptions } from '../../../runtime/options.ts';
import type { ReapPlan } from '../../../runtime/reap-plan.ts';
import type { UsageGroup, UsageQuery } from '../../../runtime/retention.ts';
import type {
  ContainerQueries,
  ContainerRows,
  FindFinishedOptions,
  RowCounts,
  StoredProcess,
  StoredProcessOf,
} from '../../container-queries.ts';
import type { FindDestroyableOptions } from '../../container-repository.ts';
import { checkOwner, checkStorable, checkText } from '../../field-checks.ts';
import type { ContainerRecord } from '../../records.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { checkHandles } from '../delete-all.ts';
import { ownerDigest } from '../input.ts';
import { cursorOf, pageOf, pageTerms, rowsAfter } from '../page.ts';
import { jsonText, type ProcessRow, parse, toContainer, toContainerInfo, toProcessResult } from '../rows.ts';
import { created, type StatementBuilder, type Tables } from '../tables.ts';
import { destroyableSearch } from './destroyable-containers.ts';
import { dueRows } from './due-rows.ts';
import { countRows, toRowCounts } from './row-counts.ts';
import { findUnknown, knownHandles, knownWorkers } from './unknown-names.ts';
import { countUsage, toUsageGroup } from './usage.ts';

/** The maximum number of names that one call looks for. */
const maxNames = 1000;

/** Why the reaper deletes a row in this state. A created container is not among them. */
const reapReasons = {
  creating: 'abandoned',
  created: 'marked',
  kept: 'kept',
  failed: 'failed',
  destroying: 'marked',
} as const;

/** Queries about containers in PostgreSQL. */
export class PostgresContainerQueries implements ContainerQueries {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async findCreated(
    workerName: string,
    owner: ContainerOwner,
    options: AbortOptions = {},
  ): Promise<ContainerRecord | undefined> {
    checkOwner(owner);
    const found = await this.#runner.first(
      this.#statements
        .selectFrom('containers')
        .select((eb) => jsonText(eb.fn.toJson('containers')).as('row'))
        .where('worker_name', '=', workerName)
        .where('owner_digest', '=', ownerDigest(owner))
        .where('state', '=', created),
      options,
    );
    return found === undefined ? undefined : toContainer(parse(found.row));
  }

  async findFinished(
    workerName: string,
    owner: ContainerOwner,
    { handle, ...options }: FindFinishedOptions = {},
  ): Promise<readonly ContainerRecord[]> {
    checkOwner(owner);
    const rows = await this.#runner.rows(
      this.#statements
        .selectFrom('containers')
        .select((eb) => jsonText(eb.fn.toJson('containers')).as('row'))
        .where('worker_name', '=', workerName)
        .where('owner_digest', '=', ownerDigest(owner))
        .where('state', 'in', ['failed', 'destroying'])
        .$if(handle !== undefined, (query) => query.where('handle', '=', handle ?? '')),
      options,
    );
    return rows.map(({ row }) => toContainer(parse(row)));
  }

  async list(workerName: string, query: ContainerQuery, options: AbortOptions = {}): Promise<ContainerRows> {
    const { limit, after } = pageTerms(query);
    checkQuery(query);
    const rows = await this.#runner.rows(
      this.#statements
        .with('page', (db) =>
          db
            .selectFrom('containers')
            .select(['id', 'handle', 'owner_kind', 'owner_key', 'state', 'pod_name', 'pod_uid'])
            .select(['metadata', 'created_at', 'keep_until'])
            .where('worker_name', '=', workerName)
            .where((eb) => eb.and([...matching(eb, query), ...rowsAfter('containers', after)]))
            .orderBy('created_at')
            .orderBy('id')
            // One row more than the page, to find out whether another page follows.
            .limit(limit + 1),
        )
        .selectFrom('page')
        .select((eb) => jsonText(eb.fn.toJson('page')).as('row'))
        .orderBy('created_at')
        .orderBy('id'),
      options,
    );
    const found = rows.map(({ row }) => parse(row));
    const { page, next } = pageOf(found, limit, (row) => row);
    return { containers: page.map(toContainerInfo), cursors: page.map(cursorOf), ...next };
  }

  async processResults(handle: string, options: AbortOptions = {}): Promise<readonly StoredProcess[]> {
    const found = await this.#runner.first(
      this.#statements
        .selectFrom('containers')
        .select((eb) =>
          jsonText(
            jsonArrayFrom(
              eb.selectFrom('processes').selectAll().whereRef('processes.container_id', '=', 'containers.id'),
            ),
          ).as('processes'),
        )
        .where('handle', '=', handle),
      options,
    );
    // The worker is unknown because the row no longer exists.
    if (found === undefined) throw new ContainerDisappearedError(handle, 'unknown');
    return parse(found.processes).map(toStoredProcess);
  }

  async processResultsOf(handles: readonly string[], options: AbortOptions = {}): Promise<readonly StoredProcessOf[]> {
    if (handles.length === 0) return [];
    checkHandles(handles);
    const rows = await this.#runner.rows(
      this.#statements
        .selectFrom('containers')
        .innerJoin('processes', 'processes.container_id', 'containers.id')
        .select((eb) => ['containers.handle', jsonText(eb.fn.toJson('processes')).as('row')])
        .where('containers.handle', 'in', handles),
      options,
    );
    return rows.map(({ handle, row }) => ({ handle, ...toStoredProcess(parse(row)) }));
  }

  async findReapable(
    workerName: string,
    limit: number,
    options: FindDestroyableOptions = {},
  ): Promise<Pick<ReapPlan, 'containers' | 'volumes'>> {
    const search = destroyableSearch(workerName, limit, options);
    const found = await this.#runner.first(dueRows(this.#statements, search), options);
    if (found === undefined) throw new RepositoryUnavailableError('the database returned no plan');
    return {
      containers: parse(found.containers).map(
        ({ handle, pod_name: podName, owner_kind: kind, owner_key: key, state }) => ({
          handle,
          owner: { kind, key },
          podName,
          reason: reapReasons[state],
        }),
      ),
      volumes: parse(found.volumes).map(({ handle, state }) => ({
        handle,
        reason: state === 'created' ? 'expired' : reapReasons[state],
      })),
    };
  }

  async usage(workerName: string, { by }: UsageQuery, options: AbortOptions = {}): Promise<readonly UsageGroup[]> {
    const rows = await this.#runner.rows(countUsage(this.#statements, workerName, by), options);
    return rows.map(({ row }) => toUsageGroup(parse(row), by));
  }

  async countRows(workerName: string, options: AbortOptions = {}): Promise<RowCounts> {
    const rows = await this.#runner.rows(countRows(this.#statements, workerName), options);
    return toRowCounts(rows.map(({ row }) => parse(row)));
  }

  async unknownHandles(handles: readonly string[], options: AbortOptions = {}): Promise<readonly string[]> {
    if (handles.length === 0) return [];
    checkHandles(handles);
    return await findUnknown(this.#runner, knownHandles(this.#statements, handles), handles, options);
  }

  async unknownWorkers(names: readonly string[], options: AbortOptions = {}): Promise<readonly string[]> {
    if (names.length === 0) return [];
    if (names.length > maxNames) throw new InvalidSpecError('names', `must have at most ${maxNames} entries`);
    for (const name of names) checkStorable('names', name);
    return await findUnknown(this.#runner, knownWorkers(this.#statements, names), names, options);
  }
}

function toStoredProcess(row: ProcessRow): StoredProcess {
  return { processId: row.process_id, result: toProcessResult(row) };
}

type Containers = ExpressionBuilder<Tables, 'containers'>;

function matching(
  eb: Containers,
  { handle, ownerKind, state, createdBefore, createdAfter }: ContainerQuery,
): Expression<SqlBool>[] {
  return [
    ...(handle === undefined ? [] : [eb('handle', '=', handle)]),
    ...(ownerKind === undefined ? [] : [eb('owner_kind', '=', ownerKind)]),
    ...(state === undefined ? [] : [eb('state', '=', state)]),
    ...(createdBefore === undefined
      ? []
      : [eb('created_at', '<', time(eb, bound('createdBefore', createdBefore.getTime())))]),
    // The column has microseconds. For the host, all times within one millisecond are the same
    // `createdAt`.
    ...(createdAfter === undefined
      ? []
      : [eb('created_at', '>=', time(eb, bound('createdAfter', createdAfter.getTime() + 1)))]),
  ];
}

function time(eb: Containers, text: string): Expression<Date> {
  return eb.cast<Date>(eb.val(text), 'timestamptz');
}

/** @throws InvalidSpecError */
function checkQuery({ handle, ownerKind }: ContainerQuery): void {
  if (handle !== undefined) checkText('handle', handle, 253);
  if (ownerKind !== undefined) checkText('ownerKind', ownerKind, 63);
}

/**
 * Returns the text of a time. PostgreSQL and ISO 8601 write other years differently.
 *
 * @throws InvalidSpecError
 */
function bound(field: string, timeMs: number): string {
  const date = new Date(timeMs);
  const year = date.getUTCFullYear();
  if (!(year >= 1 && year <= 9999)) throw new InvalidSpecError(field, 'is not a date of the years 1 to 9999');
  return date.toISOString();
}
