import { type AliasedExpression, type Compilable, expressionBuilder } from 'kysely';
import type { VolumeState } from '../../../runtime/volume-query.ts';
import { checkText } from '../../field-checks.ts';
import type { NewArtifactVolume } from '../../volume-repository.ts';
import { checkDuration, toJson } from '../input.ts';
import { type JsonText, jsonText, type VolumeRow } from '../rows.ts';
import { fromNow, type StatementBuilder } from '../tables.ts';
import { acceptingWorker } from '../workers/worker-guard.ts';

/** @throws InvalidSpecError */
export function checkArtifact(volume: Omit<NewArtifactVolume, 'leaseMs'>): void {
  checkText('handle', volume.handle, 253);
  checkText('workerName', volume.workerName, 253);
  if (volume.teamId !== undefined) checkText('teamId', volume.teamId, 1_024);
  checkText('store', volume.store, 253);
  checkDuration('timeToLiveMs', volume.timeToLiveMs);
}

/** The columns of an artifact volume that every insert sets. */
export const artifactColumns = [
  'handle',
  'worker_name',
  'kind',
  'state',
  'team_id',
  'store',
  'location',
  'expires_at',
  'time_to_live_ms',
] as const;

/** Returns the values of `artifactColumns`, in their order, for a query that selects from `accepting`. */
export function artifactValues(
  volume: Omit<NewArtifactVolume, 'leaseMs'>,
  state: VolumeState,
): readonly AliasedExpression<unknown, string>[] {
  const eb = expressionBuilder<{ readonly accepting: { readonly name: string } }, 'accepting'>();
  return [
    eb.val(volume.handle).as('handle'),
    eb.ref('accepting.name').as('worker_name'),
    eb.val('artifact').as('kind'),
    eb.val(state).as('state'),
    eb.val(volume.teamId ?? null).as('team_id'),
    eb.val(volume.store).as('store'),
    eb.cast(eb.val(toJson('location', volume.location)), 'jsonb').as('location'),
    fromNow(volume.timeToLiveMs).as('expires_at'),
    eb.val(Math.ceil(volume.timeToLiveMs)).as('time_to_live_ms'),
  ];
}

/** Inserts an artifact volume as `creating`. Selects no row if the worker is not running. */
export function insertArtifact(
  statements: StatementBuilder,
  volume: NewArtifactVolume,
): Compilable<{ row: JsonText<VolumeRow> }> {
  return statements
    .with('accepting', (db) => acceptingWorker(db, volume.workerName))
    .insertInto('volumes')
    .columns([...artifactColumns, 'lease_until'])
    .expression((eb) =>
      eb
        .selectFrom('accepting')
        .select([...artifactValues(volume, 'creating'), fromNow(volume.leaseMs).as('lease_until')]),
    )
    .returning((eb) => jsonText(eb.fn.toJson('volumes')).as('row'));
}
