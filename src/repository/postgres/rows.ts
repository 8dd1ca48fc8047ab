import type { ContainerMetadata } from '../../runtime/container.ts';
import type { ContainerRecord, ContainerState, VolumeKind, VolumeRecord, VolumeState } from '../records.ts';

// Every row is read as one JSON text, made by the server and parsed here: numbers, times and objects are then the same from every driver, whatever
// parsers a pool of the caller's has.

/** What a statement selects: a row as `row_to_json(…)::text`. */
export interface JsonRow {
  readonly row: string;
}

interface ContainerRow {
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

interface VolumeRow {
  readonly handle: string;
  readonly worker_name: string;
  readonly kind: VolumeKind;
  readonly state: VolumeState;
  readonly container_handle: string | null;
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

export function parseContainer(json: string): ContainerRecord {
  const row = JSON.parse(json) as ContainerRow;
  return {
    handle: row.handle,
    workerName: row.worker_name,
    owner: { kind: row.owner_kind, key: row.owner_key },
    state: row.state,
    podName: row.pod_name,
    podUid: row.pod_uid ?? undefined,
    metadata: row.metadata,
    settings: row.settings,
    lastHijackAt: row.last_hijack_at === null ? undefined : new Date(row.last_hijack_at),
    createdAt: new Date(row.created_at),
  };
}

export function parseVolume(json: string): VolumeRecord {
  return toVolume(JSON.parse(json) as VolumeRow);
}

/** From a JSON array of rows. */
export function parseVolumes(json: string): readonly VolumeRecord[] {
  return (JSON.parse(json) as readonly VolumeRow[]).map(toVolume);
}

function toVolume(row: VolumeRow): VolumeRecord {
  return {
    handle: row.handle,
    workerName: row.worker_name,
    kind: row.kind,
    state: row.state,
    containerHandle: row.container_handle ?? undefined,
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
