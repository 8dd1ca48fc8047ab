import type { Compilable, QueryCreator, Selectable, UpdateQueryBuilder } from 'kysely';

import type { ArchivedVolume } from '../../archive-repository.ts';
import type { ArchiveContent } from '../../records.ts';
import type { NewArtifactVolume } from '../../volume-repository.ts';
import { type JsonText, jsonText, type VolumeRow } from '../rows.ts';
import { creating, liveStates, now, type StatementBuilder, type Tables } from '../tables.ts';
import { artifactColumns, artifactValues } from '../volumes/insert-artifact.ts';
import { acceptingWorker } from '../workers/worker-guard.ts';
import { currentArchive, referenceOfUsed } from './archive-rows.ts';
import { ready } from './archive-states.ts';

type Flag = 'true' | 'false';
type WithUsed = Tables & { readonly used: Selectable<Tables['archives']> };

/** What `commitArchive` and `referToArchive` have done. */
export interface Referral {
  /** Whether the archive is ready, by this call or by an earlier one. */
  readonly used: Flag;
  /** Whether the archive is the content of the volume. */
  readonly referred: Flag;
}

/** What an attempt of a holder has written. */
export interface CommittedAttempt {
  readonly holder: string;
  readonly attempt: number;
  readonly content: ArchiveContent & { readonly key: string };
}

/**
 * Moves an archive from `creating` to `ready`, and makes it the content of the volume. A repeated
 * call finds it `ready` with its own holder and key.
 */
export function commitArchive(
  statements: StatementBuilder,
  id: string,
  { holder, attempt, content }: CommittedAttempt,
  volume: ArchivedVolume | undefined,
): Compilable<Referral> {
  return referral(
    statements
      .with('used', (db) =>
        db
          .updateTable('archives')
          .set((eb) => ({
            state: 'ready' as const,
            key: content.key,
            raw_bytes: content.rawBytes,
            digest: content.digest,
            stored_bytes: content.storedBytes,
            stored_digest: content.storedDigest,
            lease_until: null,
            uses: eb('uses', '+', '1'),
            last_used_at: now(),
          }))
          .where('id', '=', id)
          .where('lease_holder', '=', holder)
          .where('attempt', '=', attempt)
          .where((eb) =>
            eb.or([
              eb('state', '=', creating),
              eb.and([
                eb('state', '=', ready),
                eb('key', '=', content.key),
                eb('stored_digest', '=', content.storedDigest),
              ]),
            ]),
          )
          .returningAll(),
      )
      // Content that the volume has received since the attempt began is not in the archive.
      .with('referred', (db) => referVolume(db, volume, 'unless-changed')),
  );
}

/** Makes a ready archive the content of a volume. */
export function referToArchive(statements: StatementBuilder, id: string, volume: ArchivedVolume): Compilable<Referral> {
  return referral(
    statements.with('used', (db) => useArchive(db, id)).with('referred', (db) => referVolume(db, volume, 'always')),
  );
}

/**
 * Inserts an artifact volume as `created`. With an archive, it is ready. Selects no row if the worker
 * is not running, or has no such archive that is ready.
 */
export function insertSealed(
  statements: StatementBuilder,
  volume: Omit<NewArtifactVolume, 'leaseMs'>,
  archiveId: string | undefined,
): Compilable<{ row: JsonText<VolumeRow> }> {
  return statements
    .with('accepting', (db) => acceptingWorker(db, volume.workerName))
    .with('used', (db) => useArchive(db, archiveId ?? null))
    .insertInto('volumes')
    .columns([...artifactColumns, 'archive_id', 'archive', 'archive_ready_at', 'ready_at', 'digest', 'size_bytes'])
    .expression((eb) =>
      eb
        .selectFrom('accepting')
        .leftJoin('used', 'used.worker_name', 'accepting.name')
        .select((select) => {
          const readyAt = select.case().when('used.id', 'is not', null).then(now()).end();
          return [
            ...artifactValues(volume, 'created'),
            'used.id as archive_id',
            select.case().when('used.id', 'is not', null).then(referenceOfUsed()).end().as('archive'),
            readyAt.as('archive_ready_at'),
            readyAt.as('ready_at'),
            'used.digest as digest',
            'used.raw_bytes as size_bytes',
          ];
        })
        .$if(archiveId !== undefined, (sealed) => sealed.where('used.id', 'is not', null)),
    )
    .returning((eb) => jsonText(eb.fn.toJson('volumes')).as('row'));
}

/**
 * Selects a ready archive, and counts the use: the lock of its row orders this statement and the
 * moves to `destroying`, and the count lets such a move notice a reference that it does not see.
 */
function useArchive(
  statements: StatementBuilder,
  id: string | null,
): UpdateQueryBuilder<Tables, 'archives', 'archives', Selectable<Tables['archives']>> {
  return statements
    .updateTable('archives')
    .set((eb) => ({ uses: eb('uses', '+', '1'), last_used_at: now() }))
    .where('id', '=', id)
    .where('state', '=', ready)
    .returningAll();
}

/** Makes the used archive the content of a volume of its worker, unless the volume has another one. */
function referVolume(
  db: QueryCreator<WithUsed>,
  volume: ArchivedVolume | undefined,
  when: 'always' | 'unless-changed',
): UpdateQueryBuilder<WithUsed, 'volumes', 'volumes' | 'used', { handle: string }> {
  return db
    .updateTable('volumes')
    .from('used')
    .set((eb) => ({
      archive_id: eb.ref('used.id'),
      archive: referenceOfUsed(),
      archive_ready_at: now(),
      ready_at: now(),
      digest: eb.ref('used.digest'),
      size_bytes: eb.ref('used.raw_bytes'),
      unsaved_at: null,
      updated_at: now(),
    }))
    .where('volumes.handle', '=', volume?.handle ?? null)
    .whereRef('volumes.worker_name', '=', 'used.worker_name')
    .where('volumes.state', 'in', liveStates)
    .where((eb) =>
      eb.or([
        eb(currentArchive(), '=', eb.ref('used.id')),
        eb.and([
          eb(
            currentArchive(),
            'is not distinct from',
            eb.cast<string | null>(eb.val(volume?.replaces ?? null), 'uuid'),
          ),
          ...(when === 'always'
            ? []
            : [eb.or([eb('volumes.ready_at', 'is', null), eb('volumes.ready_at', '<=', eb.ref('used.attempted_at'))])]),
        ]),
      ]),
    )
    .returning('volumes.handle');
}

function referral(done: QueryCreator<WithUsed & { readonly referred: { handle: string } }>): Compilable<Referral> {
  return done.selectNoFrom((eb) => [
    eb.cast<Flag>(eb.exists(eb.selectFrom('used').select('used.id')), 'text').as('used'),
    eb.cast<Flag>(eb.exists(eb.selectFrom('referred').select('referred.handle')), 'text').as('referred'),
  ]);
}
