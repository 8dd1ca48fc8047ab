import type { Compilable, Expression, UpdateQueryBuilder, UpdateResult } from 'kysely';

import { fromNow, now, type StatementBuilder, type Tables } from '../tables.ts';

/** The time after a use in which another one is not recorded, in milliseconds. */
const touchIntervalMs = 60_000;

/**
 * Records a use of archives, at most once a minute for each. Skips rows that another statement has
 * locked, so that two such statements never wait for each other.
 */
export function touchArchives(
  statements: StatementBuilder,
  ids: readonly string[] | Expression<string | null>,
): UpdateQueryBuilder<Tables, 'archives', 'archives', UpdateResult> & Compilable {
  return statements
    .updateTable('archives')
    .set((eb) => ({ uses: eb('uses', '+', '1'), last_used_at: now() }))
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('archives')
        .select('id')
        .where('id', 'in', ids)
        .where('last_used_at', '<', fromNow(-touchIntervalMs))
        .forNoKeyUpdate()
        .skipLocked(),
    );
}
