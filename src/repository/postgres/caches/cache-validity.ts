import type { Compilable, Expression, SqlBool } from 'kysely';
import { expressionBuilder } from 'kysely';

import type { CacheKey } from '../../cache-repository.ts';
import { touchArchives } from '../archives/touch-archives.ts';
import { keyDigest } from '../input.ts';
import { type JsonText, jsonText, type VolumeRow } from '../rows.ts';
import { created, fromNow, liveStates, now, type StatementBuilder, type Tables } from '../tables.ts';

/** A key on any worker. */
export type SharedKey = Omit<CacheKey, 'workerName'>;

/** How long the record of an invalid origin outlives the caches of the origin. */
const originGraceMs = 24 * 60 * 60 * 1000;

/** Returns the condition that a row of `caches` is of this key, on this worker or on any. */
export function hasKey({ kind, key }: SharedKey, workerName?: string): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'caches'>();
  return eb.and([
    eb('caches.kind', '=', kind),
    eb('caches.key_digest', '=', keyDigest(key)),
    ...(workerName === undefined ? [] : [eb('caches.worker_name', '=', workerName)]),
  ]);
}

/**
 * Returns the condition that a row of `caches`, joined with its volume, is valid. The record of an
 * invalid origin also counts for a copy that was blessed while the origin became invalid.
 */
export function isValidCache(): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'caches' | 'volumes'>();
  return eb.and([
    eb('caches.invalid_since', 'is', null),
    eb('volumes.state', '=', created),
    eb('volumes.expires_at', '>', now()),
    eb.not(
      eb.exists(
        eb
          .selectFrom('invalid_cache_origins')
          .select('invalid_cache_origins.origin')
          .whereRef('invalid_cache_origins.origin', '=', 'caches.origin'),
      ),
    ),
  ]);
}

/** Selects the origin of the valid cache of this kind and key whose volume has this handle. */
export function findOrigin(
  statements: StatementBuilder,
  key: SharedKey,
  volume: string,
): Compilable<{ origin: string }> {
  return statements
    .selectFrom('caches')
    .innerJoin('volumes', 'volumes.id', 'caches.volume_id')
    .select('caches.origin as origin')
    .where('volumes.handle', '=', volume)
    .where(hasKey(key))
    .where(isValidCache());
}

/** Selects the volume of the valid cache of the key, renews its time to live, and uses its archive. */
export function findAndRenew(statements: StatementBuilder, key: CacheKey): Compilable<{ row: JsonText<VolumeRow> }> {
  return statements
    .with('found', (db) =>
      db
        .updateTable('volumes')
        .from('caches')
        .set((eb) => ({
          expires_at: eb.fn<Date>('greatest', ['volumes.expires_at', fromNow(eb.ref('caches.ttl_ms'))]),
          updated_at: now(),
        }))
        .whereRef('caches.volume_id', '=', 'volumes.id')
        .where(hasKey(key, key.workerName))
        .where(isValidCache())
        .returning((eb) => ['volumes.archive_id as archive_id', jsonText(eb.fn.toJson('volumes')).as('row')]),
    )
    .with('used', (db) => touchArchives(db, db.selectFrom('found').select('found.archive_id').$asScalar()))
    .selectFrom('found')
    .select('found.row as row');
}

/**
 * Invalidates the cache of the key and the copies whose origin it is. Their volumes expire after the
 * grace. Selects the number of caches that became invalid.
 */
export function invalidateCaches(
  statements: StatementBuilder,
  key: CacheKey,
  graceMs: number,
): Compilable<{ count: string }> {
  return statements
    .with('own', (db) =>
      db
        .selectFrom('caches')
        .innerJoin('volumes', 'volumes.id', 'caches.volume_id')
        .select(['caches.id as id', 'volumes.handle as handle'])
        .where(hasKey(key, key.workerName))
        .where('caches.invalid_since', 'is', null),
    )
    .with('recorded', (db) =>
      db
        .insertInto('invalid_cache_origins')
        .columns(['origin'])
        .expression(db.selectFrom('own').select('own.handle as origin'))
        .onConflict((conflict) => conflict.doNothing()),
    )
    .with('forgotten', (db) =>
      db
        .deleteFrom('invalid_cache_origins')
        .where('invalid_since', '<', fromNow(-originGraceMs))
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom('caches')
                .select('caches.id')
                .whereRef('caches.origin', '=', 'invalid_cache_origins.origin'),
            ),
          ),
        ),
    )
    .with('invalid', (db) =>
      db
        .updateTable('caches')
        .set({ invalid_since: now() })
        .where((eb) =>
          eb.or([
            eb('id', 'in', eb.selectFrom('own').select('own.id')),
            eb('origin', 'in', eb.selectFrom('own').select('own.handle')),
          ]),
        )
        .where('invalid_since', 'is', null)
        .returning('volume_id'),
    )
    .with('expiring', (db) =>
      db
        .updateTable('volumes')
        .set((eb) => ({ expires_at: eb.fn<Date>('least', ['expires_at', fromNow(graceMs)]), updated_at: now() }))
        .where('id', 'in', (eb) => eb.selectFrom('invalid').select('invalid.volume_id'))
        .where('state', 'in', liveStates),
    )
    .selectFrom('invalid')
    .select((eb) => eb.cast<string>(eb.fn.countAll(), 'text').as('count'));
}

/** Deletes the cache of the key if it has this volume, which becomes `destroying`. */
export function dropCache(statements: StatementBuilder, key: CacheKey, volume: string): Compilable<{ handle: string }> {
  return statements
    .with('dropped', (db) =>
      db
        .deleteFrom('caches')
        .using('volumes')
        .whereRef('volumes.id', '=', 'caches.volume_id')
        .where('volumes.handle', '=', volume)
        .where(hasKey(key, key.workerName))
        .returning('caches.volume_id as volume_id'),
    )
    .updateTable('volumes')
    .set({ state: 'destroying', lease_until: null, updated_at: now() })
    .where('id', 'in', (eb) => eb.selectFrom('dropped').select('dropped.volume_id'))
    .returning('handle');
}
