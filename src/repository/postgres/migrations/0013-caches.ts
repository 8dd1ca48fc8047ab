import type { Kysely } from 'kysely';
import { sql } from 'kysely';

// `sql` writes the expressions of check constraints and defaults: DDL takes no parameters, which
// the expression builder would bind.

/**
 * Adds the task caches and the resource caches. A cache is an artifact volume, and its row is deleted
 * with that volume. The worker of a cache is the worker of its volume.
 */
export async function caches({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('caches')
    .addColumn('id', 'bigint', (column) => column.generatedAlwaysAsIdentity().primaryKey())
    .addColumn('worker_name', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull().check(sql`kind in ('task', 'resource')`))
    .addColumn('key', 'text', (column) => column.notNull().check(sql`key <> ''`))
    .addColumn('key_digest', 'text', (column) => column.notNull().check(sql`key_digest ~ '^[0-9a-f]{64}$'`))
    .addColumn('volume_id', 'bigint', (column) => column.notNull().references('volumes.id').onDelete('cascade'))
    .addColumn('origin', 'text', (column) => column.notNull())
    .addColumn('ttl_ms', 'bigint', (column) => column.notNull().check(sql`ttl_ms > 0`))
    .addColumn('invalid_since', 'timestamptz')
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
    .addUniqueConstraint('caches_volume_id_key', ['volume_id'])
    .execute();
  // The index has a digest, because a key may exceed the size limit of an index entry.
  await schema
    .createIndex('caches_one_valid_per_key')
    .unique()
    .on('caches')
    .columns(['worker_name', 'kind', 'key_digest'])
    .where(sql.ref('invalid_since'), 'is', null)
    .execute();
  await schema.createIndex('caches_by_origin').on('caches').column('origin').execute();
  await schema
    .createTable('invalid_cache_origins')
    .addColumn('origin', 'text', (column) => column.primaryKey())
    .addColumn('invalid_since', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
    .execute();
}
