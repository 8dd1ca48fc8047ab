import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** Adds the leased places of limited numbers. */
export async function reservations({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('reservations')
    .addColumn('worker_name', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('place', 'integer', (column) => column.notNull().check(sql`place > 0`))
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'timestamptz', (column) => column.notNull())
    .addColumn('reserved_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
    .addPrimaryKeyConstraint('reservations_pkey', ['worker_name', 'kind', 'place'])
    .addUniqueConstraint('reservations_id_key', ['worker_name', 'kind', 'id'])
    .addForeignKeyConstraint('reservations_worker_name_fkey', ['worker_name'], 'workers', ['name'], (key) =>
      key.onDelete('cascade'),
    )
    .execute();
}
