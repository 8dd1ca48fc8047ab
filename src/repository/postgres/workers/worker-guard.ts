import type { SelectQueryBuilder } from 'kysely';

import type { StatementBuilder, Tables } from '../tables.ts';

/**
 * Selects the worker's row if the worker accepts containers and volumes, for the statement that
 * inserts one. The lock orders the insert and `land` or `retire`: of the two, the second one sees
 * the effect of the first. A foreign key's own lock does not.
 */
export function acceptingWorker(
  statements: StatementBuilder,
  workerName: string,
): SelectQueryBuilder<Tables, 'workers', { name: string }> {
  return statements
    .selectFrom('workers')
    .select('workers.name')
    .where('workers.name', '=', workerName)
    .where('workers.state', '=', 'running')
    .forShare();
}
