import type { RawBuilder } from 'kysely';
import { sql } from 'kysely';

import type { Tables } from '../tables.ts';

/** The tables, as `docs/database.md` explains them. */
export function initial(tables: Tables): readonly RawBuilder<unknown>[] {
  return [...installation(tables), ...containers(tables), ...volumes(tables)];
}

function installation({ installation, workers }: Tables): readonly RawBuilder<unknown>[] {
  return [
    sql`create table ${installation} (
      singleton boolean primary key default true check (singleton),
      id uuid not null default gen_random_uuid(),
      created_at timestamptz not null default now()
    )`,
    sql`insert into ${installation} default values`,
    sql`create table ${workers} (
      name text primary key check (char_length(name) between 1 and 253),
      created_at timestamptz not null default now()
    )`,
  ];
}

function containers({ workers, containers, containerProperties, processes }: Tables): readonly RawBuilder<unknown>[] {
  return [
    sql`create table ${containers} (
      id bigint generated always as identity primary key,
      handle text not null constraint containers_handle_key unique check (char_length(handle) between 1 and 253),
      worker_name text not null constraint containers_worker_name_fkey references ${workers} (name),
      owner_kind text not null check (char_length(owner_kind) between 1 and 63),
      owner_key text not null check (char_length(owner_key) between 1 and 1024),
      owner_digest text not null check (owner_digest ~ '^[0-9a-f]{64}$'),
      state text not null check (state in ('creating', 'created', 'failed', 'destroying')),
      pod_name text not null,
      pod_uid text,
      metadata jsonb not null,
      settings jsonb not null,
      lease_holder text,
      lease_until timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint containers_lease_while_creating check ((state = 'creating') = (lease_until is not null) and (lease_until is null) = (lease_holder is null))
    )`,
    // One live row per owner. By a digest, because a key of 1,024 characters may be longer than what an index takes.
    sql`create unique index containers_one_live_per_owner on ${containers} (worker_name, owner_digest) where state in ('creating', 'created')`,
    sql`create index containers_by_worker_and_state on ${containers} (worker_name, state, created_at, id)`,
    sql`create table ${containerProperties} (
      container_id bigint not null references ${containers} (id) on delete cascade,
      name text not null check (char_length(name) between 1 and 253),
      value text not null check (octet_length(value) <= 1048576),
      updated_at timestamptz not null default now(),
      primary key (container_id, name)
    )`,
    sql`create table ${processes} (
      container_id bigint not null references ${containers} (id) on delete cascade,
      process_id text not null check (char_length(process_id) between 1 and 100),
      exit_status integer not null check (exit_status between 0 and 255),
      signal integer check (signal between 1 and 127),
      finished_at timestamptz not null default now(),
      primary key (container_id, process_id)
    )`,
  ];
}

function volumes({ workers, containers, volumes }: Tables): readonly RawBuilder<unknown>[] {
  return [
    // No cascade from containers: what has bytes somewhere goes only where it is named.
    sql`create table ${volumes} (
      id bigint generated always as identity primary key,
      handle text not null constraint volumes_handle_key unique check (char_length(handle) between 1 and 253),
      worker_name text not null constraint volumes_worker_name_fkey references ${workers} (name),
      container_id bigint references ${containers} (id),
      kind text not null check (kind in ('dir', 'input', 'output', 'cache', 'artifact')),
      state text not null check (state in ('creating', 'created', 'failed', 'destroying')),
      mount_path text check (octet_length(mount_path) between 1 and 2048),
      name text,
      team_id text,
      store text not null,
      location jsonb not null,
      ready_at timestamptz,
      digest text check (digest ~ '^[0-9a-f]{64}$'),
      size_bytes bigint check (size_bytes between 0 and 9007199254740991),
      expires_at timestamptz,
      lease_until timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint volumes_container_id_mount_path_key unique (container_id, mount_path),
      constraint volumes_artifact_or_mounted check ((kind = 'artifact') = (container_id is null) and (container_id is null) = (mount_path is null)),
      constraint volumes_artifact_expires check ((kind = 'artifact') = (expires_at is not null)),
      constraint volumes_lease_while_creating check ((kind = 'artifact' and state = 'creating') = (lease_until is not null)),
      constraint volumes_digest_with_size check ((digest is null) = (size_bytes is null))
    )`,
    sql`create index volumes_by_worker on ${volumes} (worker_name)`,
    sql`create index volumes_artifacts_by_state on ${volumes} (worker_name, state, created_at, id) where container_id is null`,
    sql`create index volumes_artifacts_by_expiry on ${volumes} (worker_name, expires_at) where container_id is null and state in ('creating', 'created')`,
  ];
}
