import type { Kysely } from 'kysely';
import { sql } from 'kysely';

// `sql` writes the expressions of check constraints: DDL takes no parameters, which the
// expression builder would bind.

/**
 * Adds the number of holders that a container has had. Allows a lease without a holder: a released
 * lease keeps its end, and the reaper waits until then.
 */
export async function leaseGeneration({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('containers')
    .addColumn('lease_generation', 'bigint', (column) =>
      column.notNull().defaultTo(1).check(sql`lease_generation >= 1`),
    )
    .execute();
  await schema.alterTable('containers').dropConstraint('containers_lease_while_creating').execute();
  await schema
    .alterTable('containers')
    .addCheckConstraint(
      'containers_lease_while_creating',
      sql`(state = 'creating') = (lease_until is not null) and (lease_holder is null or lease_until is not null)`,
    )
    .execute();
}
