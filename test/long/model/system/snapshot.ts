/** A row of a container, as far as invariants need it. */
export interface ContainerState {
  readonly id: number;
  readonly handle: string;
  readonly owner: string;
  readonly state: 'creating' | 'created' | 'kept' | 'failed' | 'destroying';
  readonly podUid: string | null;
  readonly holder: string | null;
  /** By the database's clock, in milliseconds since the epoch. */
  readonly leaseUntil: number | null;
  /** By the database's clock, in milliseconds since the epoch. */
  readonly keepUntil: number | null;
}

/** A row of a volume, as far as invariants need it. */
export interface VolumeState {
  readonly handle: string;
  readonly container: string | null;
  readonly kind: string;
  readonly state: 'creating' | 'created' | 'failed' | 'destroying';
  readonly isReady: boolean;
  readonly digest: string | null;
  /** The archive that has its content. */
  readonly archive: string | null;
  /** Whether it is in a pod. */
  readonly hasPlace: boolean;
  /** When the reaper may delete it, in milliseconds since the epoch. */
  readonly dueAt: number | null;
}

/** A stored result. */
export interface ResultState {
  readonly container: string;
  readonly process: string;
  readonly exitStatus: number;
}

/** An open stream of a volume. */
export interface StreamState {
  readonly stream: string;
  readonly volume: string;
  /** The container of the volume. */
  readonly container: string | null;
  /** By the database's clock, in milliseconds since the epoch. */
  readonly until: number;
}

/** A cache that was not invalidated. */
export interface CacheState {
  readonly kind: 'task' | 'resource';
  readonly key: string;
  readonly volume: string;
}

/** A row of an archive, as far as invariants need it. */
export interface ArchiveRow {
  readonly id: string;
  readonly state: 'creating' | 'ready' | 'destroying';
  readonly key: string | null;
  readonly digest: string | null;
  readonly storedDigest: string | null;
}

/** All rows at one moment. */
export interface Snapshot {
  readonly containers: readonly ContainerState[];
  readonly volumes: readonly VolumeState[];
  readonly results: readonly ResultState[];
  readonly streams: readonly StreamState[];
  readonly caches: readonly CacheState[];
  readonly archives: readonly ArchiveRow[];
}

export const emptySnapshot: Snapshot = {
  containers: [],
  volumes: [],
  results: [],
  streams: [],
  caches: [],
  archives: [],
};

const list = (select: string): string => `(select coalesce(json_agg(found), '[]') from (${select}) found)`;

const containers = `select id, handle, owner_key as owner, state, pod_uid as "podUid", lease_holder as holder,
  extract(epoch from lease_until)::float8 * 1000 as "leaseUntil",
  extract(epoch from keep_until)::float8 * 1000 as "keepUntil" from kubernetes_worker.containers order by id`;
const volumes = `select v.handle, c.handle as container, v.kind, v.state, v.ready_at is not null as "isReady", v.digest,
  v.archive_id as archive, v.location <> '{}'::jsonb as "hasPlace",
  extract(epoch from least(v.expires_at, case v.state when 'creating' then v.lease_until end))::float8 * 1000 as "dueAt"
  from kubernetes_worker.volumes v left join kubernetes_worker.containers c on c.id = v.container_id order by v.id`;
const results = `select c.handle as container, p.process_id as process, p.exit_status as "exitStatus"
  from kubernetes_worker.processes p join kubernetes_worker.containers c on c.id = p.container_id`;

const streams = `select s.stream_id as stream, v.handle as volume, c.handle as container,
  extract(epoch from s.until)::float8 * 1000 as until
  from kubernetes_worker.volume_streams s join kubernetes_worker.volumes v on v.id = s.volume_id
  left join kubernetes_worker.containers c on c.id = v.container_id`;
const caches = `select k.kind, k.key, v.handle as volume from kubernetes_worker.caches k
  join kubernetes_worker.volumes v on v.id = k.volume_id where k.invalid_since is null`;
const archives = `select id, state, key, digest, stored_digest as "storedDigest" from kubernetes_worker.archives`;

/** Selects a snapshot, as one JSON text. */
export const snapshotQuery = `select json_build_object(
  'containers', ${list(containers)}, 'volumes', ${list(volumes)}, 'results', ${list(results)},
  'streams', ${list(streams)}, 'caches', ${list(caches)}, 'archives', ${list(archives)})::text as snapshot`;
