import type { AliasableExpression, Expression, Selectable, ShallowDehydrateObject } from 'kysely';
import { expressionBuilder } from 'kysely';

import type { ContainerInfo } from '../../runtime/container-query.ts';
import type { ContainerRecord, ProcessResultRecord, VolumeRecord } from '../records.ts';
import type { Tables } from './tables.ts';

// Statements select a whole row as one JSON text, which the server writes, and a single value as a
// text. Numbers, times and objects are then the same with every driver and with every type parser
// of the caller's pool.

declare const content: unique symbol;

/** A JSON text of a `T`. */
export type JsonText<T> = string & { readonly [content]: T };

/** Returns the SQL expression that casts JSON to a text. */
export function jsonText<T>(json: Expression<T>): AliasableExpression<JsonText<T>> {
  return expressionBuilder<Tables>().cast<JsonText<T>>(json, 'text');
}

export function parse<T>(json: JsonText<T>): T {
  return JSON.parse(json) as T;
}

/** A row of `containers` as JSON has it. */
export type ContainerRow = ShallowDehydrateObject<Selectable<Tables['containers']>>;

/** A row of `volumes` as JSON has it. */
export type VolumeRow = ShallowDehydrateObject<Selectable<Tables['volumes']>>;

/** The columns of a container in a list. */
export type ContainerInfoRow = Pick<
  ContainerRow,
  'handle' | 'owner_kind' | 'owner_key' | 'state' | 'pod_name' | 'pod_uid' | 'metadata' | 'created_at' | 'keep_until'
>;

export function toContainer(row: ContainerRow): ContainerRecord {
  return {
    ...toContainerInfo(row),
    workerName: row.worker_name,
    settings: row.settings,
    specDigest: row.spec_digest ?? undefined,
    lastHijackAt: toDate(row.last_hijack_at),
  };
}

export function toContainerInfo(row: ContainerInfoRow): ContainerInfo {
  return {
    handle: row.handle,
    owner: { kind: row.owner_kind, key: row.owner_key },
    state: row.state,
    podName: row.pod_name,
    podUid: row.pod_uid ?? undefined,
    metadata: row.metadata,
    createdAt: new Date(row.created_at),
    ...(row.keep_until === null ? {} : { keptUntil: new Date(row.keep_until) }),
  };
}

/** The row has only the id of its container. */
export function toVolume(row: VolumeRow, containerHandle: string | undefined): VolumeRecord {
  return {
    handle: row.handle,
    workerName: row.worker_name,
    kind: row.kind,
    state: row.state,
    containerHandle,
    mountPath: row.mount_path ?? undefined,
    name: row.name ?? undefined,
    teamId: row.team_id ?? undefined,
    store: row.store,
    location: row.location,
    readyAt: toDate(row.ready_at),
    digest: row.digest ?? undefined,
    sizeBytes: row.size_bytes ?? undefined,
    // A host of an earlier version changes `ready_at` and leaves the archive, which is then outdated.
    ...(row.archive === null || row.archive_ready_at !== row.ready_at ? {} : { archive: row.archive }),
    ...(row.unsaved_at === null ? {} : { unsavedAt: new Date(row.unsaved_at) }),
    expiresAt: toDate(row.expires_at),
    createdAt: new Date(row.created_at),
  };
}

/** A row of `processes` as JSON has it. */
export type ProcessRow = ShallowDehydrateObject<Selectable<Tables['processes']>>;

/** Sizes and times are absent in rows from before the migrations that added them. */
export function toProcessResult(row: ProcessRow): ProcessResultRecord {
  const [startedAt, finishedAt] = [toDate(row.command_started_at), toDate(row.command_finished_at)];
  return {
    exitStatus: row.exit_status,
    signal: row.signal ?? undefined,
    oomKills: row.oom_kills ?? undefined,
    ...(row.stdout_bytes === null ? {} : { stdoutBytes: row.stdout_bytes }),
    ...(row.stderr_bytes === null ? {} : { stderrBytes: row.stderr_bytes }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(row.spec_digest === null ? {} : { specDigest: row.spec_digest }),
  };
}

function toDate(text: string | null): Date | undefined {
  return text === null ? undefined : new Date(text);
}
