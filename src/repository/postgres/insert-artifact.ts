import type { Compilable } from 'kysely';

import { checkText } from '../field-checks.ts';
import type { NewArtifactVolume } from '../volume-repository.ts';
import { checkDuration, toJson } from './input.ts';
import { type JsonText, jsonText, type VolumeRow } from './rows.ts';
import { fromNow, type StatementBuilder } from './tables.ts';
import { acceptingWorker } from './workers/worker-guard.ts';

/** @throws InvalidSpecError */
export function checkArtifact(volume: Omit<NewArtifactVolume, 'leaseMs'>): void {
  checkText('handle', volume.handle, 253);
  checkText('workerName', volume.workerName, 253);
  if (volume.teamId !== undefined) checkText('teamId', volume.teamId, 1_024);
  checkText('store', volume.store, 253);
  checkDuration('timeToLiveMs', volume.timeToLiveMs);
}

/** Inserts an artifact volume as `creating`. Selects no row if the worker is not running. */
export function insertArtifact(
  statements: StatementBuilder,
  volume: NewArtifactVolume,
): Compilable<{ row: JsonText<VolumeRow> }> {
  return statements
    .with('accepting', (db) => acceptingWorker(db, volume.workerName))
    .insertInto('volumes')
    .columns([
      'handle',
      'worker_name',
      'kind',
      'state',
      'team_id',
      'store',
      'location',
      'expires_at',
      'time_to_live_ms',
      'lease_until',
    ])
    .expression((eb) =>
      eb
        .selectFrom('accepting')
        .select((select) => [
          select.val(volume.handle).as('handle'),
          'accepting.name as worker_name',
          select.val('artifact').as('kind'),
          select.val('creating').as('state'),
          select.val(volume.teamId ?? null).as('team_id'),
          select.val(volume.store).as('store'),
          select.cast(select.val(toJson('location', volume.location)), 'jsonb').as('location'),
          fromNow(volume.timeToLiveMs).as('expires_at'),
          select.val(Math.ceil(volume.timeToLiveMs)).as('time_to_live_ms'),
          fromNow(volume.leaseMs).as('lease_until'),
        ]),
    )
    .returning((eb) => jsonText(eb.fn.toJson('volumes')).as('row'));
}
