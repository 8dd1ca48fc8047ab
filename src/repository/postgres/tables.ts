import type {
  ColumnType,
  Expression,
  Generated,
  GeneratedAlways,
  JSONColumnType,
  Kysely,
  NumericString,
  QueryCreator,
  RawBuilder,
  UpdateObject,
} from 'kysely';
import { expressionBuilder, sql } from 'kysely';

import type { ContainerMetadata } from '../../runtime/container.ts';
import type { ContainerState } from '../../runtime/container-query.ts';
import type { VolumeKind, VolumeState } from '../../runtime/volume-query.ts';
import type { ArchiveState } from '../archive-repository.ts';
import type { CacheKind } from '../cache-repository.ts';
import type { ArchiveReference } from '../records.ts';

/** The library's schema. Only tests use another one. */
export const defaultSchema = 'kubernetes_worker';

/** The tables and their columns after the last migration. */
export interface Tables {
  readonly installation: InstallationTable;
  readonly workers: WorkersTable;
  readonly containers: ContainersTable;
  readonly container_properties: ContainerPropertiesTable;
  readonly finished_owners: FinishedOwnersTable;
  readonly processes: ProcessesTable;
  readonly hijacks: HijacksTable;
  readonly volumes: VolumesTable;
  readonly volume_streams: VolumeStreamsTable;
  readonly caches: CachesTable;
  readonly invalid_cache_origins: InvalidCacheOriginsTable;
  readonly reservations: ReservationsTable;
  readonly archives: ArchivesTable;
  /** Belongs to kysely's `Migrator`, except for the checksums and the compatibility. */
  readonly migrations: MigrationsTable;
}

/** Builds statements over the tables of one schema. A `StatementRunner` executes them. */
export type StatementBuilder = QueryCreator<Tables>;

/** A `bigint`. Drivers return it as a string; JSON has it as a number. */
type BigInteger = ColumnType<NumericString, number | NumericString, number | NumericString>;
type NullableBigInteger = ColumnType<
  NumericString | null,
  number | NumericString | null | undefined,
  number | NumericString | null
>;
/** A `jsonb`. It is written as a JSON text from `toJson`. */
type Json<T extends object> = JSONColumnType<T>;

interface InstallationTable {
  readonly singleton: Generated<boolean>;
  readonly id: Generated<string>;
  readonly created_at: Generated<Date>;
}

interface WorkersTable {
  readonly name: string;
  readonly reaper_holder: string | null;
  readonly reaper_until: Date | null;
  readonly reaped_at: Date | null;
  readonly state: Generated<'running' | 'landing' | 'landed' | 'retiring'>;
  readonly state_version: ColumnType<NumericString, never, number | NumericString>;
  readonly land_artifacts: Generated<'wait' | 'keep'>;
  readonly heartbeat_at: Date | null;
  readonly expires_at: Date | null;
  readonly active_containers: NullableBigInteger;
  readonly active_volumes: NullableBigInteger;
  readonly created_at: Generated<Date>;
}

interface ContainersTable {
  readonly id: GeneratedAlways<NumericString>;
  readonly handle: string;
  readonly worker_name: string;
  readonly owner_kind: string;
  readonly owner_key: string;
  readonly owner_digest: string;
  readonly state: ContainerState;
  readonly pod_name: string;
  readonly pod_uid: string | null;
  readonly metadata: Json<ContainerMetadata>;
  readonly settings: Json<Readonly<Record<string, unknown>>>;
  readonly spec_digest: string | null;
  readonly lease_holder: string | null;
  readonly lease_until: Date | null;
  readonly lease_generation: ColumnType<NumericString, number | NumericString | undefined, number | NumericString>;
  readonly last_hijack_at: Date | null;
  readonly kept_at: Date | null;
  readonly keep_until: Date | null;
  readonly created_at: Generated<Date>;
  readonly updated_at: Generated<Date>;
}

interface FinishedOwnersTable {
  readonly worker_name: string;
  readonly owner_digest: string;
  readonly finished_at: Generated<Date>;
}

interface ContainerPropertiesTable {
  readonly container_id: BigInteger;
  readonly name: string;
  readonly value: string;
  readonly updated_at: Generated<Date>;
}

interface ProcessesTable {
  readonly container_id: BigInteger;
  readonly process_id: string;
  readonly exit_status: number;
  readonly signal: number | null;
  readonly oom_kills: NullableBigInteger;
  readonly stdout_bytes: NullableBigInteger;
  readonly stderr_bytes: NullableBigInteger;
  readonly command_started_at: Date | null;
  readonly command_finished_at: Date | null;
  readonly spec_digest: string | null;
  readonly finished_at: Generated<Date>;
}

interface HijacksTable {
  readonly container_id: BigInteger;
  readonly process_id: string;
  /** `-infinity` once the hijack has ended. */
  readonly seen_at: Generated<Date>;
  readonly started_at: Date | null;
}

interface VolumesTable {
  readonly id: GeneratedAlways<NumericString>;
  readonly handle: string;
  readonly worker_name: string;
  readonly container_id: NullableBigInteger;
  readonly kind: VolumeKind;
  readonly state: VolumeState;
  readonly mount_path: string | null;
  readonly name: string | null;
  readonly team_id: string | null;
  readonly store: string;
  readonly location: Json<Readonly<Record<string, string>>>;
  readonly ready_at: Date | null;
  readonly digest: string | null;
  readonly size_bytes: NullableBigInteger;
  readonly expires_at: Date | null;
  readonly time_to_live_ms: NullableBigInteger;
  readonly lease_until: Date | null;
  readonly archive_id: string | null;
  readonly archive: ColumnType<ArchiveReference | null, string | null | undefined, string | null>;
  /** The `ready_at` of the statement that set the archive, which is outdated if they differ. */
  readonly archive_ready_at: Date | null;
  readonly unsaved_at: Date | null;
  readonly created_at: Generated<Date>;
  readonly updated_at: Generated<Date>;
}

interface ArchivesTable {
  readonly id: string;
  readonly worker_name: string;
  readonly store: string;
  readonly state: ArchiveState;
  readonly attempt: Generated<number>;
  readonly attempted_at: Generated<Date>;
  /** The purpose of the archive: at most one that is `creating` or `ready` has it. */
  readonly claim: string | null;
  readonly key: string | null;
  readonly raw_bytes: NullableBigInteger;
  readonly digest: string | null;
  readonly stored_bytes: NullableBigInteger;
  readonly stored_digest: string | null;
  /** The last holder, also after the lease has ended. */
  readonly lease_holder: string;
  readonly lease_until: Date | null;
  /** Counts the uses, so that a statement that found none notices one. */
  readonly uses: ColumnType<NumericString, number | NumericString | undefined, number | NumericString>;
  readonly last_used_at: Generated<Date>;
  readonly created_at: Generated<Date>;
}

interface VolumeStreamsTable {
  readonly stream_id: string;
  readonly volume_id: BigInteger;
  readonly until: Date;
}

interface CachesTable {
  readonly id: GeneratedAlways<NumericString>;
  readonly worker_name: string;
  readonly kind: CacheKind;
  readonly key: string;
  readonly key_digest: string;
  readonly volume_id: BigInteger;
  /** The handle of the volume that was first blessed with this content. */
  readonly origin: string;
  readonly ttl_ms: BigInteger;
  readonly invalid_since: Date | null;
  readonly created_at: Generated<Date>;
}

interface InvalidCacheOriginsTable {
  readonly origin: string;
  readonly invalid_since: Generated<Date>;
}

interface ReservationsTable {
  readonly worker_name: string;
  readonly kind: string;
  readonly place: number;
  readonly id: string;
  readonly expires_at: Date;
  readonly reserved_at: Generated<Date>;
}

interface MigrationsTable {
  readonly name: string;
  readonly timestamp: string;
  readonly checksum: string | null;
  readonly compatible_from: string | null;
}

/**
 * Returns a builder that qualifies every table. No statement depends on the connection's search
 * path.
 */
export function statementsOf(db: Kysely<Tables>, schema: string): StatementBuilder {
  return db.withSchema(schema);
}

// The partial indexes over live rows apply to constants, and to a parameter only as long as the
// server plans for its value. `sql.lit`: the builder has no literals of text.
export const creating: RawBuilder<'creating'> = sql.lit('creating');
export const created: RawBuilder<'created'> = sql.lit('created');
export const kept: RawBuilder<'kept'> = sql.lit('kept');
export const liveStates: readonly RawBuilder<'creating' | 'created'>[] = [creating, created];

/** The database's time when the statement's transaction began. */
export function now(): Expression<Date> {
  return expressionBuilder<Tables>().fn<Date>('now');
}

/** Returns the columns that a container loses and gets when its deletion begins. */
export function destroyingContainer(): UpdateObject<Tables, 'containers'> {
  const ended = { lease_holder: null, lease_until: null, kept_at: null, keep_until: null };
  return { ...ended, state: 'destroying', updated_at: now() };
}

/** The database's time plus a number of milliseconds. */
export function fromNow(durationMs: number | Expression<unknown>): RawBuilder<Date> {
  // `sql`: the builder has no intervals.
  return sql<Date>`(now() + ${durationMs}::float8 * interval '1 millisecond')`;
}

/**
 * Returns the right side of `id = …` for the ids that a query selects. Unlike for `in`, the planner
 * finds thousands of rows by the index of `id` instead of by a scan of the whole table.
 */
export function anyOf(ids: Expression<{ readonly id: NumericString }>): RawBuilder<NumericString> {
  // `sql`: the builder has no arrays.
  return sql<NumericString>`any(array(${ids}))`;
}
