import type { AliasableExpression, Expression } from 'kysely';
import { expressionBuilder } from 'kysely';

import type { ContainerMetadata } from '../../runtime/container.ts';
import type { ContainerRecord, ContainerState, VolumeKind, VolumeRecord, VolumeState } from '../records.ts';
import type { Tables } from './tables.ts';

// Every row is selected as one JSON text, which the server writes. Numbers, times and objects are
// then the same with every driver and with every type parser of the caller's pool.

declare const content: unique symbol;

/** A JSON text of a `T`. */
export type JsonText<T> = string & { readonly [content]: T };

/** A row with one JSON text. */
export interface JsonRow<T> {
  readonly row: JsonText<T>;
}

/** Returns the SQL expression that casts JSON to a text. */
export function jsonText<T>(json: Expression<T>): AliasableExpression<JsonText<T>> {
  return expressionBuilder<Tables>().cast<JsonText<T>>(json, 'text');
}

export function parse<T>(json: JsonText<T>): T {
  return JSON.parse(json) as T;
}

/** A row of `containers` as JSON has it. */
export interface ContainerRow {
  readonly handle: string;
  readonly worker_name: string;
  readonly owner_kind: string;
  readonly owner_key: string;
  readonly state: ContainerState;
  readonly pod_name: string;
  readonly pod_uid: string | null;
  readonly metadata: ContainerMetadata;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly last_hijack_at: string | null;
  readonly created_at: string;
}

/** A row of `volumes` as JSON has it. */
export interface VolumeRow {
  readonly handle: string;
  readonly worker_name: string;
  readonly kind: VolumeKind;
  readonly state: VolumeState;
  readonly mount_path: string | null;
  readonly name: string | null;
  readonly team_id: string | null;
  readonly store: string;
  readonly location: Readonly<Record<string, string>>;
  readonly ready_at: string | null;
  readonly digest: string | null;
  readonly size_bytes: number | null;
  readonly expires_at: string | null;
  readonly created_at: string;
}

export function toContainer(row: ContainerRow): ContainerRecord {
  return {
    handle: row.handle,
    workerName: row.worker_name,
    owner: { kind: row.owner_kind, key: row.owner_key },
    state: row.state,
    podName: row.pod_name,
    podUid: row.pod_uid ?? undefined,
    metadata: row.metadata,
    settings: row.settings,
    lastHijackAt: toDate(row.last_hijack_at),
    createdAt: new Date(row.created_at),
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
    expiresAt: toDate(row.expires_at),
    createdAt: new Date(row.created_at),
  };
}

function toDate(text: string | null): Date | undefined {
  return text === null ? undefined : new Date(text);
}
