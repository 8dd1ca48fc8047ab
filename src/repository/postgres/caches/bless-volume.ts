import type { Compilable } from 'kysely';

import type { NewCache } from '../../cache-repository.ts';
import { keyDigest } from '../input.ts';
import { created, fromNow, liveStates, now, type StatementBuilder } from '../tables.ts';
import { hasKey, isValidCache } from './cache-validity.ts';

type Flag = 'true' | 'false';

/** What a statement of `blessVolume` has found and done. */
export interface Blessing {
  /** Whether the volume is live and its source, if it has one, is valid. */
  readonly acceptable: Flag;
  /** Whether the volume is the valid cache of the key now. */
  readonly blessed: Flag;
  /** Whether the volume had the row of a cache before. */
  readonly used: Flag;
}

/**
 * Deletes the cache of the key that the volume replaces, or that is no longer valid, and moves its
 * volume to `destroying`. Then inserts the cache, unless the key has a valid one.
 *
 * Of two statements at once, the second waits for the row of the first, and inserts nothing. No
 * volume loses its row without becoming `destroying`: a row that a statement sees has a volume that
 * it sees.
 */
export function blessVolume(statements: StatementBuilder, cache: NewCache): Compilable<Blessing> {
  const { workerName, kind, key, volume, timeToLiveMs, replace, source } = cache;
  return statements
    .with('candidate', (db) => {
      const candidates = db
        .selectFrom('volumes as candidate')
        .where('candidate.worker_name', '=', workerName)
        .where('candidate.handle', '=', volume)
        .where('candidate.container_id', 'is', null)
        .where('candidate.state', '=', created)
        .where('candidate.expires_at', '>', now());
      if (source === undefined) return candidates.select(['candidate.id as id', 'candidate.handle as origin']);
      return candidates
        .innerJoin('caches', (join) => join.on(hasKey(cache)))
        .innerJoin('volumes', (join) =>
          join.onRef('volumes.id', '=', 'caches.volume_id').on('volumes.handle', '=', source),
        )
        .where(isValidCache())
        .select(['candidate.id as id', 'caches.origin as origin']);
    })
    .with('used', (db) =>
      db
        .selectFrom('caches')
        .innerJoin('candidate', 'candidate.id', 'caches.volume_id')
        .innerJoin('volumes', 'volumes.id', 'caches.volume_id')
        .select(['caches.volume_id as volume_id'])
        .select((eb) => eb.and([hasKey(cache, workerName), isValidCache()]).as('is_this_cache')),
    )
    .with('fresh', (db) =>
      db
        .selectFrom('candidate')
        .select(['candidate.id as id', 'candidate.origin as origin'])
        .where((eb) => eb.not(eb.exists(eb.selectFrom('used').select('used.volume_id')))),
    )
    .with('replaced', (db) =>
      db
        .deleteFrom('caches')
        .using(['volumes', 'fresh'])
        .whereRef('volumes.id', '=', 'caches.volume_id')
        .where(hasKey(cache, workerName))
        .where('caches.invalid_since', 'is', null)
        .$if(!replace, (stale) => stale.where((eb) => eb.not(isValidCache())))
        .returning('caches.volume_id as volume_id'),
    )
    .with('destroyed', (db) =>
      db
        .updateTable('volumes')
        .set({ state: 'destroying', lease_until: null, updated_at: now() })
        .where('id', 'in', (eb) => eb.selectFrom('replaced').select('replaced.volume_id'))
        .where('state', 'in', liveStates),
    )
    .with('blessed', (db) =>
      db
        .insertInto('caches')
        .columns(['worker_name', 'kind', 'key', 'key_digest', 'volume_id', 'origin', 'ttl_ms'])
        .expression(
          db
            .selectFrom('fresh')
            .select((eb) => [
              eb.val(workerName).as('worker_name'),
              eb.val(kind).as('kind'),
              eb.val(key).as('key'),
              eb.val(keyDigest(key)).as('key_digest'),
              'fresh.id as volume_id',
              'fresh.origin as origin',
              eb.cast<string>(eb.val(Math.ceil(timeToLiveMs)), 'bigint').as('ttl_ms'),
            ])
            // Counting its rows makes the server finish the deletion first.
            .where((eb) =>
              eb(
                eb.selectFrom('replaced').select((eb) => eb.fn.countAll().as('count')),
                '>=',
                '0',
              ),
            ),
        )
        // The key has a valid cache, or the volume has become a cache in the meantime.
        .onConflict((conflict) => conflict.doNothing())
        .returning('volume_id'),
    )
    .with('kept', (db) =>
      db
        .selectFrom('blessed')
        .select('blessed.volume_id as volume_id')
        .unionAll(db.selectFrom('used').select('used.volume_id as volume_id').where('used.is_this_cache', '=', true)),
    )
    .with('renewed', (db) =>
      db
        .updateTable('volumes')
        .set((eb) => ({
          expires_at: eb.fn<Date>('greatest', ['expires_at', fromNow(timeToLiveMs)]),
          updated_at: now(),
        }))
        .where('id', 'in', (eb) => eb.selectFrom('kept').select('kept.volume_id'))
        .where('state', '=', created),
    )
    .selectNoFrom((eb) => [
      eb.cast<Flag>(eb.exists(eb.selectFrom('candidate').select('candidate.id')), 'text').as('acceptable'),
      eb.cast<Flag>(eb.exists(eb.selectFrom('kept').select('kept.volume_id')), 'text').as('blessed'),
      eb.cast<Flag>(eb.exists(eb.selectFrom('used').select('used.volume_id')), 'text').as('used'),
    ]);
}
