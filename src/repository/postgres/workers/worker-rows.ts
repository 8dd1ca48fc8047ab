import type { AliasableExpression, AliasedExpression } from 'kysely';
import { expressionBuilder } from 'kysely';

import { RepositoryUnavailableError } from '../../../errors/repository.ts';
import type { WorkerInfo, WorkerState } from '../../../runtime/worker-lifecycle.ts';
import { controllersKind } from '../../reservation-repository.ts';
import { type JsonText, jsonText, parse } from '../rows.ts';
import { now, type Tables } from '../tables.ts';

/** The columns of `workers` from which a `WorkerInfo` is made, as JSON has them. */
interface WorkerRow {
  readonly name: string;
  readonly active_containers: number | null;
  readonly active_volumes: number | null;
  readonly heartbeat_at: string | null;
  readonly expires_at: string | null;
  readonly reaped_at: string | null;
  readonly created_at: string;
}

/** A worker's row, and its state now. */
export interface WorkerColumns {
  readonly row: JsonText<WorkerRow>;
  readonly state_now: string;
  /** The holder of the lease of the controllers. */
  readonly leader: string | null;
}

const states: readonly string[] = ['running', 'stalled', 'landing', 'landed', 'retiring'] satisfies WorkerState[];

/** The columns to select, or to return, of a row of `workers`. */
export function workerColumns(): [
  AliasedExpression<JsonText<WorkerRow>, 'row'>,
  AliasedExpression<string, 'state_now'>,
  AliasedExpression<string | null, 'leader'>,
] {
  const eb = expressionBuilder<Tables, 'workers'>();
  return [jsonText<WorkerRow>(eb.fn.toJson('workers')).as('row'), stateNow().as('state_now'), leader().as('leader')];
}

/** The lease has one place, so at most one reservation lives. */
function leader(): AliasableExpression<string | null> {
  return expressionBuilder<Tables, 'workers'>()
    .selectFrom('reservations')
    .select('reservations.id')
    .whereRef('reservations.worker_name', '=', 'workers.name')
    .where('reservations.kind', '=', controllersKind)
    .where('reservations.expires_at', '>', now())
    .limit(1)
    .$asScalar();
}

/** The state of a row of `workers`: a running worker is stalled once its heartbeat has expired. */
export function stateNow(): AliasableExpression<string> {
  const eb = expressionBuilder<Tables, 'workers'>();
  return eb
    .case()
    .when(eb.and([eb('workers.state', '=', 'running'), eb('workers.expires_at', '<=', now())]))
    .then<string>('stalled')
    .else(eb.ref('workers.state'))
    .end();
}

/** @throws RepositoryUnavailableError - the row has a value that this version cannot read */
export function toWorkerInfo({ row, state_now: state, leader: leading }: WorkerColumns): WorkerInfo {
  const worker = parse(row);
  return {
    name: worker.name,
    state: toState(worker.name, state),
    activeContainers: worker.active_containers ?? 0,
    activeVolumes: worker.active_volumes ?? 0,
    heartbeatAt: toTime(worker, 'heartbeat_at'),
    expiresAt: toTime(worker, 'expires_at'),
    leader: leading ?? undefined,
    reaperPassAt: toTime(worker, 'reaped_at'),
    registeredAt: toTime(worker, 'created_at') ?? new Date(0),
  };
}

/** @throws RepositoryUnavailableError */
export function toState(workerName: string, state: string): WorkerState {
  if (isState(state)) return state;
  throw new RepositoryUnavailableError(`worker ${workerName} has the unknown state ${JSON.stringify(state)}`);
}

function isState(state: string): state is WorkerState {
  return states.includes(state);
}

/** A `Date` cannot represent a time such as `infinity`. */
function toTime(row: WorkerRow, column: 'heartbeat_at' | 'expires_at' | 'reaped_at' | 'created_at'): Date | undefined {
  const text = row[column];
  if (text === null) return undefined;
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw new RepositoryUnavailableError(`worker ${row.name} has the unusable ${column} ${JSON.stringify(text)}`);
}
