import type { Kysely } from 'kysely';
import { sql } from 'kysely';

// `sql` writes the expressions of check constraints and defaults: DDL takes no parameters, which
// the expression builder would bind.

/** Adds the owners that have finished for good. */
export async function finishedOwners({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('finished_owners')
    .addColumn('worker_name', 'text', (column) => column.notNull())
    .addColumn('owner_digest', 'text', (column) => column.notNull().check(sql`owner_digest ~ '^[0-9a-f]{64}$'`))
    .addColumn('finished_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
    .addPrimaryKeyConstraint('finished_owners_pkey', ['worker_name', 'owner_digest'])
    .addForeignKeyConstraint('finished_owners_worker_name_fkey', ['worker_name'], 'workers', ['name'])
    .execute();
  await schema
    .createIndex('finished_owners_by_age')
    .on('finished_owners')
    .columns(['worker_name', 'finished_at'])
    .execute();
}
