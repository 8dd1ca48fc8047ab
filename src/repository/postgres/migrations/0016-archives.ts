import type { Kysely } from 'kysely';
import { sql } from 'kysely';

// `sql` writes the expressions of check constraints and defaults: DDL takes no parameters, which
// the expression builder would bind. `sql.ref` names a column in the predicate of an index.

/** Adds the archives, and the archive that has the content of a volume. */
export async function archives({ schema }: Kysely<unknown>): Promise<void> {
  await createArchives({ schema });
  await schema
    .alterTable('volumes')
    .addColumn('archive_id', 'uuid')
    .addColumn('archive', 'jsonb')
    .addColumn('archive_ready_at', 'timestamptz')
    .addColumn('unsaved_at', 'timestamptz')
    .execute();
  await schema
    .alterTable('volumes')
    .addForeignKeyConstraint('volumes_archive_id_fkey', ['archive_id'], 'archives', ['id'])
    .execute();
  await schema
    .alterTable('volumes')
    .addCheckConstraint(
      'volumes_archive_complete',
      sql`(archive_id is null) = (archive is null) and (archive is null) = (archive_ready_at is null)`,
    )
    .execute();
  await schema
    .createIndex('volumes_by_archive')
    .on('volumes')
    .column('archive_id')
    .where(sql.ref('archive_id'), 'is not', null)
    .execute();
}

async function createArchives({ schema }: Pick<Kysely<unknown>, 'schema'>): Promise<void> {
  await schema
    .createTable('archives')
    .addColumn('id', 'uuid', (column) => column.primaryKey())
    .addColumn('worker_name', 'text', (column) => column.notNull())
    .addColumn('store', 'text', (column) => column.notNull().check(sql`char_length(store) between 1 and 253`))
    .addColumn('state', 'text', (column) => column.notNull().check(sql`state in ('creating', 'ready', 'destroying')`))
    .addColumn('attempt', 'integer', (column) => column.notNull().defaultTo(1).check(sql`attempt > 0`))
    .addColumn('attempted_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
    .addColumn('claim', 'text', (column) => column.check(sql`char_length(claim) between 1 and 300`))
    .addColumn('key', 'text', (column) => column.check(sql`char_length(key) between 1 and 1024`))
    .addColumn('raw_bytes', 'bigint', (column) => column.check(sql`raw_bytes between 0 and 9007199254740991`))
    .addColumn('digest', 'text', (column) => column.check(sql`digest ~ '^[0-9a-f]{64}$'`))
    .addColumn('stored_bytes', 'bigint', (column) => column.check(sql`stored_bytes between 0 and 9007199254740991`))
    .addColumn('stored_digest', 'text', (column) => column.check(sql`stored_digest ~ '^[0-9a-f]{64}$'`))
    .addColumn('lease_holder', 'text', (column) =>
      column.notNull().check(sql`char_length(lease_holder) between 1 and 253`),
    )
    .addColumn('lease_until', 'timestamptz')
    .addColumn('uses', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('last_used_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
    .addForeignKeyConstraint('archives_worker_name_fkey', ['worker_name'], 'workers', ['name'])
    .addCheckConstraint('archives_lease_while_creating', sql`(state = 'creating') = (lease_until is not null)`)
    .addCheckConstraint(
      'archives_content_when_ready',
      sql`num_nulls(key, raw_bytes, digest, stored_bytes, stored_digest) in (0, 5)
        and (state <> 'creating' or key is null) and (state <> 'ready' or key is not null)`,
    )
    .execute();
  await schema
    .createIndex('archives_one_per_claim')
    .unique()
    .on('archives')
    .columns(['worker_name', 'claim'])
    .where(sql.ref('claim'), 'is not', null)
    .where(sql.ref('state'), 'in', ['creating', 'ready'])
    .execute();
  await schema
    .createIndex('archives_by_state')
    .on('archives')
    .columns(['worker_name', 'state', 'last_used_at', 'id'])
    .execute();
}
