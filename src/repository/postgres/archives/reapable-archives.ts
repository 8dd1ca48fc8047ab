import type { Compilable } from 'kysely';

import type { ArchiveState } from '../../archive-repository.ts';
import type { StatementBuilder } from '../tables.ts';
import { destroying } from './archive-states.ts';
import { abandonedArchives, type DestroyableArchiveSearch, unusedArchives } from './destroyable-archives.ts';

const columns = ['id', 'store', 'state'] as const;

interface ReapableRow {
  readonly id: string;
  readonly store: string;
  readonly state: ArchiveState;
}

/** Selects the archives that `findDestroyable` would return. Moves none of them. */
export function selectReapableArchives(
  statements: StatementBuilder,
  search: DestroyableArchiveSearch,
): Compilable<ReapableRow> {
  const { workerName, limit } = search;
  const marked = statements
    .selectFrom('archives')
    .select(['id', 'store', 'state'])
    .where('worker_name', '=', workerName)
    .where('state', '=', destroying)
    .limit(limit);
  // One search for each reason, because no index serves the condition `a or b or c`.
  return statements
    .selectFrom(marked.as('marked'))
    .select(columns)
    .unionAll(statements.selectFrom(abandonedArchives(statements, search).as('abandoned')).select(columns))
    .unionAll(statements.selectFrom(unusedArchives(statements, search).as('unused')).select(columns))
    .limit(limit);
}
