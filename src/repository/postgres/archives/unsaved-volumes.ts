import type { Compilable } from 'kysely';

import { now, type StatementBuilder } from '../tables.ts';
import { currentArchive } from './archive-rows.ts';

/** Records that the content of volumes could not be saved. Skips volumes with an archive. */
export function markVolumesUnsaved(statements: StatementBuilder, handles: readonly string[]): Compilable {
  return statements
    .updateTable('volumes')
    .set((eb) => ({ unsaved_at: eb.fn.coalesce('unsaved_at', now()), updated_at: now() }))
    .where('id', 'in', (eb) =>
      // The order keeps two such statements from a deadlock.
      eb.selectFrom('volumes').select('id').where('handle', 'in', handles).orderBy('id').forNoKeyUpdate(),
    )
    .where((eb) => eb(currentArchive(), 'is', null));
}
