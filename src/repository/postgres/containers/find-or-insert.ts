import type { Compilable, Selectable } from 'kysely';
import { jsonArrayFrom } from 'kysely/helpers/postgres';

import { InvalidSpecError } from '../../../errors/caller.ts';
import { OwnerFinishedError } from '../../../errors/owner.ts';
import { WorkerNotRunningError } from '../../../errors/worker.ts';
import type { ContainerOwner } from '../../../runtime/container.ts';
import type { FoundContainer, Lease, NewContainer, NewContainerVolume } from '../../container-repository.ts';
import { checkText } from '../../field-checks.ts';
import { ownerDigest, toJson } from '../input.ts';
import { type ContainerRow, type JsonText, jsonText, parse, toContainer, toVolume, type VolumeRow } from '../rows.ts';
import { creating, fromNow, liveStates, now, type StatementBuilder, type Tables } from '../tables.ts';
import { acceptingWorker } from '../workers/worker-guard.ts';
import { hasFinished } from './finished-owners.ts';

/** The result of `insertUnlessLive`. */
export interface FoundRow {
  readonly row: JsonText<ContainerRow & { readonly leased: boolean }>;
  readonly volumes: JsonText<readonly VolumeRow[]>;
}

/** The result of `findLive`. */
export interface LiveRow {
  readonly row: FoundRow['row'] | null;
  readonly volumes: FoundRow['volumes'] | null;
  /** Whether the owner has finished for good. */
  readonly finished: 'true' | 'false';
  /** The stored state of the worker; `null` if the worker has no row. */
  readonly worker_state: WorkerStateColumn | null;
}

type WorkerStateColumn = Selectable<Tables['workers']>['state'];

/** A volume in the JSON parameter of `insertUnlessLive`. */
type PlacedVolume = NewContainerVolume & { readonly position: number };

export function toFound(found: FoundRow): FoundContainer {
  const row = parse(found.row);
  return {
    container: toContainer(row),
    volumes: parse(found.volumes).map((volume) => toVolume(volume, row.handle)),
    leased: row.leased,
    generation: row.lease_generation,
  };
}

/**
 * Returns the live container that was found. Returns `undefined` if there is none.
 *
 * @throws OwnerFinishedError - the owner has finished for good, and has no container that is
 * `created`
 * @throws WorkerNotRunningError - there is none, and the worker accepts no new one
 */
export function toLive(
  live: LiveRow | undefined,
  workerName: string,
  owner: ContainerOwner,
): FoundContainer | undefined {
  const { row = null, volumes = null, finished = 'false', worker_state: state = null } = live ?? {};
  const found = row === null || volumes === null ? undefined : toFound({ row, volumes });
  if (finished === 'true' && found?.container.state !== 'created') throw new OwnerFinishedError(owner, workerName);
  if (found === undefined && state !== 'running') throw new WorkerNotRunningError(workerName, state ?? 'retired');
  return found;
}

/**
 * Selects the live container of an owner, and whether the owner has finished for good. If it is
 * `creating`, its lease is free, lapsed or already the caller's, and its digest is the given one,
 * then the caller's lease holds it from now on, unless the owner has finished.
 */
export function findLive(
  statements: StatementBuilder,
  workerName: string,
  owner: ContainerOwner,
  lease: Lease,
  specDigest: string | undefined,
): Compilable<LiveRow> {
  const digest = ownerDigest(owner);
  return statements
    .with('taken', (db) =>
      db
        .updateTable('containers')
        .set((eb) => ({
          lease_holder: lease.holder,
          lease_until: fromNow(lease.durationMs),
          // A renewal by the same holder is no new generation.
          lease_generation: eb
            .case()
            .when('lease_holder', '=', lease.holder)
            .then(eb.ref('lease_generation'))
            .else(eb('lease_generation', '+', '1'))
            .end(),
          updated_at: now(),
        }))
        .where('worker_name', '=', workerName)
        .where('owner_digest', '=', digest)
        .where('state', '=', creating)
        .where((eb) =>
          eb.or([eb('lease_holder', 'is', null), eb('lease_holder', '=', lease.holder), eb('lease_until', '<', now())]),
        )
        .where((eb) => eb.not(hasFinished(workerName, owner)))
        .$if(specDigest !== undefined, (taken) =>
          taken.where((eb) => eb.or([eb('spec_digest', 'is', null), eb('spec_digest', '=', specDigest ?? null)])),
        )
        .returningAll(),
    )
    .with('live', (db) =>
      db
        .selectFrom('taken')
        .selectAll()
        .select((eb) => eb.lit<boolean>(true).as('leased'))
        .unionAll(
          db
            .selectFrom('containers')
            .selectAll()
            .select((eb) => eb.lit<boolean>(false).as('leased'))
            .where('worker_name', '=', workerName)
            .where('owner_digest', '=', digest)
            .where('state', 'in', liveStates)
            .where((eb) => eb.not(eb.exists(eb.selectFrom('taken')))),
        ),
    )
    .selectNoFrom((eb) => [
      eb
        .selectFrom('live')
        .select((eb) => jsonText(eb.fn.toJson('live')).as('row'))
        .as('row'),
      eb
        .selectFrom('live')
        .select((eb) =>
          jsonText(
            jsonArrayFrom(
              eb
                .selectFrom('volumes')
                .selectAll()
                .whereRef('volumes.container_id', '=', 'live.id')
                .orderBy('volumes.id'),
            ),
          ).as('volumes'),
        )
        .as('volumes'),
      eb.cast<'true' | 'false'>(hasFinished(workerName, owner), 'text').as('finished'),
      eb.selectFrom('workers').select('state').where('name', '=', workerName).as('worker_state'),
    ]);
}

/**
 * Inserts a container and its volumes, all `creating` and held by the lease. Selects no row if the
 * owner has a live container by now, or has finished for good, or if the worker is not running.
 */
export function insertUnlessLive(statements: StatementBuilder, made: NewContainer, lease: Lease): Compilable<FoundRow> {
  const volumes = made.volumes.map((volume, position): PlacedVolume => ({ ...volume, position }));
  return statements
    .with('accepting', (db) => acceptingWorker(db, made.workerName))
    .with('container', (db) =>
      db
        .insertInto('containers')
        .columns([
          'handle',
          'worker_name',
          'owner_kind',
          'owner_key',
          'owner_digest',
          'state',
          'pod_name',
          'metadata',
          'settings',
          'spec_digest',
          'lease_holder',
          'lease_until',
        ])
        .expression(
          db
            .selectFrom('accepting')
            .select((eb) => [
              eb.val(made.handle).as('handle'),
              'accepting.name as worker_name',
              eb.val(made.owner.kind).as('owner_kind'),
              eb.val(made.owner.key).as('owner_key'),
              eb.val(ownerDigest(made.owner)).as('owner_digest'),
              eb.val('creating').as('state'),
              eb.val(made.podName).as('pod_name'),
              eb.cast(eb.val(toJson('metadata', made.metadata)), 'jsonb').as('metadata'),
              eb.cast(eb.val(toJson('settings', made.settings)), 'jsonb').as('settings'),
              eb.val(made.specDigest ?? null).as('spec_digest'),
              eb.val(lease.holder).as('lease_holder'),
              fromNow(lease.durationMs).as('lease_until'),
            ])
            .where((eb) => eb.not(hasFinished(made.workerName, made.owner))),
        )
        .onConflict((conflict) =>
          conflict.columns(['worker_name', 'owner_digest']).where('state', 'in', liveStates).doNothing(),
        )
        .returningAll()
        .returning((eb) => eb.lit<boolean>(true).as('leased')),
    )
    .with('mounted', (db) =>
      db
        .insertInto('volumes')
        .columns(['handle', 'worker_name', 'container_id', 'kind', 'state', 'mount_path', 'name', 'store', 'location'])
        .expression((eb) =>
          eb
            .selectFrom([
              'container',
              // One parameter for any number of volumes.
              eb
                .fn<{ value: PlacedVolume }>('jsonb_array_elements', [
                  eb.cast(eb.val(toJson('volumes', volumes)), 'jsonb'),
                ])
                .as('made'),
            ])
            .select((eb) => [
              eb.ref('made.value', '->>').key('handle').as('handle'),
              'container.worker_name',
              'container.id as container_id',
              eb.ref('made.value', '->>').key('kind').as('kind'),
              eb.val('creating').as('state'),
              eb.ref('made.value', '->>').key('mountPath').as('mount_path'),
              eb.ref('made.value', '->>').key('name').as('name'),
              eb.ref('made.value', '->>').key('store').as('store'),
              eb.ref('made.value', '->').key('location').as('location'),
            ])
            .orderBy((eb) => eb.cast(eb.ref('made.value', '->>').key('position'), 'integer')),
        )
        .returningAll(),
    )
    .selectFrom('container')
    .select((eb) => [
      jsonText(eb.fn.toJson('container')).as('row'),
      jsonText(jsonArrayFrom(eb.selectFrom('mounted').selectAll().orderBy('mounted.id'))).as('volumes'),
    ]);
}

/**
 * Checks a container before its insert.
 *
 * @throws InvalidSpecError - a field cannot be stored, or the worker or the owner is not the
 * requested one
 */
export function checkNewContainer(made: NewContainer, workerName: string, owner: ContainerOwner): void {
  checkText('handle', made.handle, 253);
  checkText('podName', made.podName, 253);
  if (made.workerName !== workerName) throw new InvalidSpecError('workerName', 'must be the requested worker');
  if (made.owner.kind !== owner.kind || made.owner.key !== owner.key)
    throw new InvalidSpecError('owner', 'must be the requested owner');
  made.volumes.forEach((volume, index) => {
    const field = `volumes[${index}]`;
    checkText(`${field}.handle`, volume.handle, 253);
    checkText(`${field}.store`, volume.store, 253);
    checkText(`${field}.mountPath`, volume.mountPath, 2_048);
    if (Buffer.byteLength(volume.mountPath) > 2_048)
      throw new InvalidSpecError(`${field}.mountPath`, 'must have at most 2048 bytes');
    if (volume.kind === 'artifact')
      throw new InvalidSpecError(`${field}.kind`, 'must not be artifact: an artifact volume has no container');
  });
}
