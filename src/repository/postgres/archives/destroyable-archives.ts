import type { Compilable, Selectable, SelectQueryBuilder } from 'kysely';

import { type JsonText, jsonText } from '../rows.ts';
import { fromNow, type StatementBuilder, type Tables } from '../tables.ts';
import { type ArchiveRow, isReferenced } from './archive-rows.ts';
import { destroying, lapsed, ready } from './archive-states.ts';

const foundColumns = ['archives.id', 'archives.store', 'archives.state', 'archives.uses'] as const;
type FoundArchive = Pick<Selectable<Tables['archives']>, 'id' | 'store' | 'state' | 'uses'>;

/** A search for archives to delete. */
export interface DestroyableArchiveSearch {
  readonly workerName: string;
  readonly limit: number;
  readonly graceMs: number;
}

/** Selects archives that are `creating`, and whose lease has lapsed. */
export function abandonedArchives(
  db: StatementBuilder,
  { workerName, limit }: DestroyableArchiveSearch,
): SelectQueryBuilder<Tables, 'archives', FoundArchive> {
  return db
    .selectFrom('archives')
    .select(foundColumns)
    .where('worker_name', '=', workerName)
    .where(lapsed())
    .limit(limit);
}

/** Selects archives without a reference that were not used for the grace, the least recently used first. */
export function unusedArchives(
  db: StatementBuilder,
  { workerName, limit, graceMs }: DestroyableArchiveSearch,
): SelectQueryBuilder<Tables, 'archives', FoundArchive> {
  return db
    .selectFrom('archives')
    .select(foundColumns)
    .where('worker_name', '=', workerName)
    .where('state', '=', ready)
    .where('last_used_at', '<', fromNow(-graceMs))
    .where((where) => where.not(isReferenced()))
    .orderBy('last_used_at')
    .orderBy('id')
    .limit(limit);
}

/**
 * Moves archives to `destroying` whose lease has lapsed, and those without a reference that were not
 * used for the grace: at most `limit` of each kind.
 *
 * The search reads the references as they were at the start of the statement. Each later reference
 * changes `uses`, and the archive then stays.
 */
export function moveDueArchives(statements: StatementBuilder, search: DestroyableArchiveSearch): Compilable {
  return statements
    .with(
      (cte) => cte('due').materialized(),
      (db) =>
        db
          .selectFrom(abandonedArchives(db, search).as('abandoned'))
          .select(['abandoned.id as id', 'abandoned.uses as uses'])
          .unionAll(
            db.selectFrom(unusedArchives(db, search).as('unused')).select(['unused.id as id', 'unused.uses as uses']),
          ),
    )
    .updateTable('archives')
    .from('due')
    .set({ state: 'destroying', lease_until: null })
    .whereRef('archives.id', '=', 'due.id')
    .whereRef('archives.uses', '=', 'due.uses')
    .where((eb) => eb.or([eb('archives.state', '=', ready), lapsed()]));
}

/** Selects the archives that are `destroying`, the least recently used first. */
export function selectDestroyableArchives(
  statements: StatementBuilder,
  { workerName, limit }: Pick<DestroyableArchiveSearch, 'workerName' | 'limit'>,
): Compilable<{ row: JsonText<ArchiveRow> }> {
  return statements
    .selectFrom('archives')
    .select((eb) => jsonText(eb.fn.toJson('archives')).as('row'))
    .where('worker_name', '=', workerName)
    .where('state', '=', destroying)
    .orderBy('last_used_at')
    .orderBy('id')
    .limit(limit);
}

/** Deletes those of the archives that are `destroying`. Skips rows that another statement has locked. */
export function deleteAllArchives(statements: StatementBuilder, ids: readonly string[]): Compilable<{ id: string }> {
  return statements
    .with('due', (db) =>
      db
        .selectFrom('archives')
        .select('id')
        .where('id', 'in', ids)
        .where('state', '=', destroying)
        .forUpdate()
        .skipLocked(),
    )
    .deleteFrom('archives')
    .where('id', 'in', (eb) => eb.selectFrom('due').select('due.id'))
    .returning('id');
}
