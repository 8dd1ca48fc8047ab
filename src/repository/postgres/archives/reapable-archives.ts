import type { Compilable } from 'kysely';

import type { ArchiveState } from '../../archive-repository.ts';
import { fromNow, type StatementBuilder } from '../tables.ts';
import { isReferenced } from './archive-rows.ts';
import { destroying, lapsed, ready } from './archive-states.ts';

interface ReapableRow {
  readonly id: string;
  readonly store: string;
  readonly state: ArchiveState;
}

/** Selects the archives that `findDestroyable` would return. Moves none of them. */
export function selectReapableArchives(
  statements: StatementBuilder,
  { workerName, limit, graceMs }: { readonly workerName: string; readonly limit: number; readonly graceMs: number },
): Compilable<ReapableRow> {
  // One search for each reason: the condition `a or b or c` would be found by no index.
  const search = () =>
    statements
      .selectFrom('archives')
      .select(['archives.id as id', 'archives.store as store', 'archives.state as state'])
      .where('worker_name', '=', workerName)
      .limit(limit);
  const marked = search().where('archives.state', '=', destroying);
  const abandoned = search().where(lapsed());
  const unused = search()
    .where('archives.state', '=', ready)
    .where('archives.last_used_at', '<', fromNow(-graceMs))
    .where((eb) => eb.not(isReferenced()))
    .orderBy('archives.last_used_at');
  return statements
    .selectFrom(marked.as('marked'))
    .selectAll()
    .unionAll(statements.selectFrom(abandoned.as('abandoned')).selectAll())
    .unionAll(statements.selectFrom(unused.as('unused')).selectAll())
    .limit(limit);
}
