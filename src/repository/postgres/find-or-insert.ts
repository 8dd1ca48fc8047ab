import type { RawBuilder } from 'kysely';
import { sql } from 'kysely';

import { InvalidSpecError } from '../../errors/caller.ts';
import type { ContainerOwner } from '../../runtime/container.ts';
import type { FoundContainer, Lease, NewContainer } from '../container-repository.ts';
import { checkText, ownerDigest, toJson } from './input.ts';
import { parseContainer, parseVolumes } from './rows.ts';
import type { Tables } from './tables.ts';
import { fromNow } from './tables.ts';

/** What `findLive` and `insertUnlessLive` select: a container, the JSON array of its volumes, and whether the caller's lease holds it. */
export interface FoundRow {
  readonly row: string;
  readonly volumes: string;
  readonly leased: string;
  readonly generation: string;
}

export function toFound({ row, volumes, leased, generation }: FoundRow): FoundContainer {
  return {
    container: parseContainer(row),
    volumes: parseVolumes(volumes),
    leased: leased === 'true',
    generation: Number(generation),
  };
}

/** The live container of an owner, with its lease taken where it is `creating` and the lease is nobody's or the caller's already. */
export function findLive(
  tables: Tables,
  workerName: string,
  owner: ContainerOwner,
  lease: Lease,
): RawBuilder<FoundRow> {
  const { containers, volumes } = tables;
  const ofOwner = sql`worker_name = ${workerName} and owner_digest = ${ownerDigest(owner)}`;
  return sql<FoundRow>`
    with leased as (
      update ${containers} set lease_holder = ${lease.holder}, lease_until = ${fromNow(lease.durationMs)}, updated_at = now(),
        lease_generation = lease_generation + case when lease_holder = ${lease.holder} then 0 else 1 end
      where ${ofOwner} and state = 'creating' and (lease_holder is null or lease_holder = ${lease.holder} or lease_until < now())
      returning *
    ), live as (
      select leased.*, true as leased from leased
      union all
      select container.*, false as leased from ${containers} as container
      where ${ofOwner} and state in ('creating', 'created') and not exists (select from leased)
    )
    select row_to_json(live)::text as row, live.leased::text as leased, live.lease_generation::text as generation, (
      select coalesce(json_agg(row_to_json(volume) order by volume.id), '[]') from (
        select each.*, live.handle as container_handle from ${volumes} as each where each.container_id = live.id
      ) as volume
    )::text as volumes
    from live`;
}

/** Inserts a container and its volumes, all `creating`, held by the lease; no row where the owner has a live one by now. */
export function insertUnlessLive(tables: Tables, made: NewContainer, lease: Lease): RawBuilder<FoundRow> {
  const { containers, volumes } = tables;
  return sql<FoundRow>`
    with container as (
      insert into ${containers} (handle, worker_name, owner_kind, owner_key, owner_digest, state, pod_name, metadata, settings, lease_holder, lease_until)
      values (${made.handle}, ${made.workerName}, ${made.owner.kind}, ${made.owner.key}, ${ownerDigest(made.owner)}, 'creating', ${made.podName},
        ${toJson('metadata', made.metadata)}::jsonb, ${toJson('settings', made.settings)}::jsonb, ${lease.holder}, ${fromNow(lease.durationMs)})
      on conflict (worker_name, owner_digest) where state in ('creating', 'created') do nothing
      returning *
    ), volume as (
      insert into ${volumes} (handle, worker_name, container_id, kind, state, mount_path, name, store, location)
      select made.handle, container.worker_name, container.id, made.kind, 'creating', made."mountPath", made.name, made.store, made.location
      from container, rows from (
        jsonb_to_recordset(${toJson('volumes', made.volumes)}::jsonb)
          as (handle text, kind text, "mountPath" text, name text, store text, location jsonb)
      ) with ordinality as made (handle, kind, "mountPath", name, store, location, position)
      order by made.position
      returning *
    )
    select row_to_json(container)::text as row, 'true' as leased, container.lease_generation::text as generation, (
      select coalesce(json_agg(row_to_json(mounted) order by mounted.id), '[]') from (
        select volume.*, container.handle as container_handle from volume
      ) as mounted
    )::text as volumes
    from container`;
}

/** @throws InvalidSpecError - of a field that cannot be stored, or that is another worker's or owner's */
export function checkNewContainer(made: NewContainer, workerName: string, owner: ContainerOwner): void {
  checkText('handle', made.handle, 253);
  checkText('podName', made.podName, 253);
  if (made.workerName !== workerName) throw new InvalidSpecError('workerName', 'must be the worker that was asked for');
  if (made.owner.kind !== owner.kind || made.owner.key !== owner.key)
    throw new InvalidSpecError('owner', 'must be the owner that was asked for');
  made.volumes.forEach((volume, index) => {
    const field = `volumes[${index}]`;
    checkText(`${field}.handle`, volume.handle, 253);
    checkText(`${field}.store`, volume.store, 253);
    checkText(`${field}.mountPath`, volume.mountPath, 2_048);
    if (Buffer.byteLength(volume.mountPath) > 2_048)
      throw new InvalidSpecError(`${field}.mountPath`, 'must have at most 2048 bytes');
    if (volume.kind === 'artifact')
      throw new InvalidSpecError(`${field}.kind`, 'must not be artifact: those belong to no container');
  });
}
