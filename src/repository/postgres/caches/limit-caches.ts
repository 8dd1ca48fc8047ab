import type { Compilable } from 'kysely';

import type { CacheLimits } from '../../cache-repository.ts';
import { liveStates, now, type StatementBuilder } from '../tables.ts';
import { isValidCache } from './cache-validity.ts';

/**
 * Deletes the valid caches of a worker that were least recently used, until the others are within the
 * limits. Their volumes become `destroying`. A cache without a known size counts as empty.
 */
export function limitCaches(
  statements: StatementBuilder,
  workerName: string,
  { maxBytes = Number.MAX_SAFE_INTEGER, maxCount = Number.MAX_SAFE_INTEGER }: CacheLimits,
): Compilable<{ handle: string }> {
  return statements
    .with('ranked', (db) =>
      db
        .selectFrom('caches')
        .innerJoin('volumes', 'volumes.id', 'caches.volume_id')
        .select('caches.id as id')
        .select((eb) => [
          eb.fn
            .countAll()
            .over((window) => window.orderBy('volumes.updated_at', 'desc').orderBy('caches.id', 'desc'))
            .as('count'),
          eb.fn
            .sum(eb.fn.coalesce('volumes.size_bytes', eb.cast<string>(eb.lit(0), 'bigint')))
            .over((window) => window.orderBy('volumes.updated_at', 'desc').orderBy('caches.id', 'desc'))
            .as('bytes'),
        ])
        .where('caches.worker_name', '=', workerName)
        .where(isValidCache()),
    )
    .with('dropped', (db) =>
      db
        .deleteFrom('caches')
        .where('id', 'in', (eb) =>
          eb
            .selectFrom('ranked')
            .select('ranked.id')
            .where((eb) => eb.or([eb('ranked.count', '>', maxCount), eb('ranked.bytes', '>', maxBytes)])),
        )
        .returning('volume_id'),
    )
    .updateTable('volumes')
    .set({ state: 'destroying', lease_until: null, updated_at: now() })
    .where('id', 'in', (eb) => eb.selectFrom('dropped').select('dropped.volume_id'))
    .where('state', 'in', liveStates)
    .returning('handle');
}
