import type { Kysely } from 'kysely';
import { sql } from 'kysely';

// `sql` writes the expressions of check constraints: DDL takes no parameters, which the
// expression builder would bind.

/**
 * Adds the size of a process's output on each stream. A host that has not received all of it can
 * detect that, also when the pod no longer exists.
 */
export async function outputSizes({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('processes')
    .addColumn('stdout_bytes', 'bigint', (column) => column.check(sql`stdout_bytes between 0 and 9007199254740991`))
    .addColumn('stderr_bytes', 'bigint', (column) => column.check(sql`stderr_bytes between 0 and 9007199254740991`))
    .execute();
}
