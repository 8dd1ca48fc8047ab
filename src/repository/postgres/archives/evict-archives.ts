import type { Compilable, Expression, SelectQueryBuilder, SqlBool } from 'kysely';
import { expressionBuilder } from 'kysely';

import { type JsonText, jsonText } from '../rows.ts';
import { liveStates, now, type StatementBuilder, type Tables } from '../tables.ts';
import { hasOpenStream } from '../volumes/volume-streams.ts';
import { type ArchiveRow, isReferenced, withoutArchive } from './archive-rows.ts';
import { ready } from './archive-states.ts';

/** The maximum number of archives of each group that one eviction considers. */
const maxCandidates = 1_000;

/** A search for archives to evict. */
interface Eviction {
  readonly workerName: string;
  readonly store: string;
  readonly bytes: number;
}

/**
 * Chooses the archives to evict, and moves the live caches that refer to them to `destroying`: no
 * stream of such a volume begins after that. Selects the IDs of the archives.
 */
export function chooseEvictable(statements: StatementBuilder, eviction: Eviction): Compilable<{ id: string }> {
  return statements
    .with('unused', (db) => leastRecentlyUsed(db, eviction).where((eb) => eb.not(isReferenced())))
    .with('cached', (db) =>
      leastRecentlyUsed(db, eviction)
        .where(isReferenced())
        .where((eb) => eb.not(hasVolume(eb.or([isLiveWithoutCache(), hasOpenStream()])))),
    )
    .with('candidates', (db) =>
      db
        .selectFrom('unused')
        .selectAll()
        .select((eb) => eb.lit<number>(1).as('turn'))
        .unionAll(
          db
            .selectFrom('cached')
            .selectAll()
            .select((eb) => eb.lit<number>(2).as('turn')),
        ),
    )
    .with('ranked', (db) =>
      db.selectFrom('candidates').select((eb) => [
        'candidates.id as id',
        eb(
          eb.fn
            .sum<string>('candidates.stored_bytes')
            // The key makes the order total, so that each row is the last one of its own frame.
            .over((over) =>
              over.orderBy('candidates.turn').orderBy('candidates.last_used_at').orderBy('candidates.id'),
            ),
          '-',
          eb.ref('candidates.stored_bytes'),
        ).as('freed_before'),
      ]),
    )
    .with(
      (cte) => cte('chosen').materialized(),
      (db) => db.selectFrom('ranked').select('ranked.id as id').where('ranked.freed_before', '<', `${eviction.bytes}`),
    )
    .with('doomed', (db) =>
      db
        .updateTable('volumes')
        .set({ state: 'destroying', lease_until: null, updated_at: now() })
        .where('archive_id', 'in', (eb) => eb.selectFrom('chosen').select('chosen.id'))
        .where('container_id', 'is', null)
        .where('state', 'in', liveStates)
        .where((eb) => eb.not(isLiveWithoutCache())),
    )
    .selectFrom('chosen')
    .select('chosen.id as id');
}

/**
 * Moves archives that no live volume and no open stream needs to `destroying`, and removes the other
 * references. Each later reference changes `uses`, and the archive then stays.
 */
export function evictArchives(
  statements: StatementBuilder,
  ids: readonly string[],
): Compilable<{ row: JsonText<ArchiveRow> }> {
  return statements
    .with(
      (cte) => cte('free').materialized(),
      (db) =>
        db
          .selectFrom('archives')
          .select(['archives.id', 'archives.uses'])
          .where('id', 'in', ids)
          .where((eb) => eb.not(hasVolume(isLiveOrOpen()))),
    )
    .with('evicted', (db) =>
      db
        .updateTable('archives')
        .from('free')
        .set({ state: 'destroying' })
        .whereRef('archives.id', '=', 'free.id')
        .whereRef('archives.uses', '=', 'free.uses')
        .where('archives.state', '=', ready)
        .returningAll('archives'),
    )
    .with('released', (db) =>
      db
        .updateTable('volumes')
        .set({ ...withoutArchive, updated_at: now() })
        .where('archive_id', 'in', (eb) => eb.selectFrom('evicted').select('evicted.id')),
    )
    .selectFrom('evicted')
    .select((eb) => jsonText(eb.fn.toJson('evicted')).as('row'))
    .orderBy('last_used_at')
    .orderBy('id');
}

function leastRecentlyUsed(
  db: StatementBuilder,
  { workerName, store }: Eviction,
): SelectQueryBuilder<Tables, 'archives', { id: string; stored_bytes: string | null; last_used_at: Date }> {
  return db
    .selectFrom('archives')
    .select(['archives.id', 'archives.stored_bytes', 'archives.last_used_at'])
    .where('worker_name', '=', workerName)
    .where('store', '=', store)
    .where('state', '=', ready)
    .orderBy('last_used_at')
    .orderBy('id')
    .limit(maxCandidates);
}

/** Returns the condition that a row of `archives` has a reference by such a volume. */
function hasVolume(condition: Expression<SqlBool>): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'archives'>();
  // Unlike for `exists`, the planner never finds a value by a scan of all volumes.
  const volume = eb
    .selectFrom('volumes')
    .select('volumes.id')
    .whereRef('volumes.archive_id', '=', 'archives.id')
    .where(condition)
    .limit(1);
  return eb(volume, 'is not', null);
}

/** Returns the condition that a row of `volumes` is live, and no cache. */
function isLiveWithoutCache(): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'volumes'>();
  return eb.and([
    eb('volumes.state', 'in', liveStates),
    eb.not(eb.exists(eb.selectFrom('caches').select('caches.id').whereRef('caches.volume_id', '=', 'volumes.id'))),
  ]);
}

function isLiveOrOpen(): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'volumes'>();
  return eb.or([eb('volumes.state', 'in', liveStates), hasOpenStream()]);
}
