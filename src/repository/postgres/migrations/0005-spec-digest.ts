import type { Kysely } from 'kysely';
import { sql } from 'kysely';

// `sql` writes the expressions of check constraints: DDL takes no parameters, which the
// expression builder would bind.

/**
 * Adds the digest of the specification that a container was requested with. Rows from before have
 * none.
 */
export async function addSpecDigest({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('containers')
    .addColumn('spec_digest', 'text', (column) => column.check(sql`spec_digest ~ '^[0-9a-f]{64}$'`))
    .execute();
}
