/** A row of a container, as far as invariants need it. */
export interface ContainerState {
  readonly id: number;
  readonly handle: string;
  readonly owner: string;
  readonly state: 'creating' | 'created' | 'failed' | 'destroying';
  readonly podUid: string | null;
  readonly holder: string | null;
  /** By the database's clock, in milliseconds since the epoch. */
  readonly leaseUntil: number | null;
}

/** A row of a volume, as far as invariants need it. */
export interface VolumeState {
  readonly handle: string;
  readonly container: string | null;
  readonly kind: string;
  readonly state: 'creating' | 'created' | 'failed' | 'destroying';
  readonly isReady: boolean;
  readonly digest: string | null;
  /** When the reaper may delete it, in milliseconds since the epoch. */
  readonly dueAt: number | null;
}

/** A stored result. */
export interface ResultState {
  readonly container: string;
  readonly process: string;
  readonly exitStatus: number;
}

/** All rows at one moment. */
export interface Snapshot {
  readonly containers: readonly ContainerState[];
  readonly volumes: readonly VolumeState[];
  readonly results: readonly ResultState[];
}

export const emptySnapshot: Snapshot = { containers: [], volumes: [], results: [] };

const list = (select: string): string => `(select coalesce(json_agg(found), '[]') from (${select}) found)`;

const containers = `select id, handle, owner_key as owner, state, pod_uid as "podUid", lease_holder as holder,
  extract(epoch from lease_until)::float8 * 1000 as "leaseUntil" from kubernetes_worker.containers order by id`;
const volumes = `select v.handle, c.handle as container, v.kind, v.state, v.ready_at is not null as "isReady", v.digest,
  extract(epoch from least(v.expires_at, case v.state when 'creating' then v.lease_until end))::float8 * 1000 as "dueAt"
  from kubernetes_worker.volumes v left join kubernetes_worker.containers c on c.id = v.container_id order by v.id`;
const results = `select c.handle as container, p.process_id as process, p.exit_status as "exitStatus"
  from kubernetes_worker.processes p join kubernetes_worker.containers c on c.id = p.container_id`;

/** Selects a snapshot, as one JSON text. */
export const snapshotQuery = `select json_build_object(
  'containers', ${list(containers)}, 'volumes', ${list(volumes)}, 'results', ${list(results)})::text as snapshot`;
