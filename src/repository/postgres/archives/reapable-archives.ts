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
  return statements
    .selectFrom('archives')
    .select(['archives.id', 'archives.store', 'archives.state'])
    .where('worker_name', '=', workerName)
    .where((eb) =>
      eb.or([
        eb('archives.state', '=', destroying),
        lapsed(),
        eb.and([
          eb('archives.state', '=', ready),
          eb('archives.last_used_at', '<', fromNow(-graceMs)),
          eb.not(isReferenced()),
        ]),
      ]),
    )
    .limit(limit);
}
