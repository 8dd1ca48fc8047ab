import type { Kysely } from 'kysely';
import { sql } from 'kysely';

// `sql` writes the expressions of check constraints and defaults: DDL takes no parameters, which
// the expression builder would bind. `sql.ref` names a column in the predicate of an index: the
// builder's types allow only the columns of the index itself.
const now = sql`now()`;

/** Creates the tables, which `docs/database.md` explains. */
export async function initial(db: Kysely<InstallationTables>): Promise<void> {
  await createInstallation(db);
  await createContainers(db);
  await createVolumes(db);
}

/** The table that this migration writes to. */
export interface InstallationTables {
  readonly installation: object;
}

async function createInstallation(db: Kysely<InstallationTables>): Promise<void> {
  await db.schema
    .createTable('installation')
    .addColumn('singleton', 'boolean', (column) => column.primaryKey().defaultTo(true).check(sql`singleton`))
    .addColumn('id', 'uuid', (column) => column.notNull().defaultTo(sql`gen_random_uuid()`))
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .execute();
  await db.insertInto('installation').defaultValues().execute();
  await db.schema
    .createTable('workers')
    .addColumn('name', 'text', (column) => column.primaryKey().check(sql`char_length(name) between 1 and 253`))
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .execute();
}

async function createContainers({ schema }: Kysely<InstallationTables>): Promise<void> {
  await schema
    .createTable('containers')
    .addColumn('id', 'bigint', (column) => column.generatedAlwaysAsIdentity().primaryKey())
    .addColumn('handle', 'text', (column) => column.notNull().check(sql`char_length(handle) between 1 and 253`))
    .addColumn('worker_name', 'text', (column) => column.notNull())
    .addColumn('owner_kind', 'text', (column) => column.notNull().check(sql`char_length(owner_kind) between 1 and 63`))
    .addColumn('owner_key', 'text', (column) => column.notNull().check(sql`char_length(owner_key) between 1 and 1024`))
    .addColumn('owner_digest', 'text', (column) => column.notNull().check(sql`owner_digest ~ '^[0-9a-f]{64}$'`))
    .addColumn('state', 'text', (column) =>
      column.notNull().check(sql`state in ('creating', 'created', 'failed', 'destroying')`),
    )
    .addColumn('pod_name', 'text', (column) => column.notNull())
    .addColumn('pod_uid', 'text')
    .addColumn('metadata', 'jsonb', (column) => column.notNull())
    .addColumn('settings', 'jsonb', (column) => column.notNull())
    .addColumn('lease_holder', 'text')
    .addColumn('lease_until', 'timestamptz')
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addColumn('updated_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addUniqueConstraint('containers_handle_key', ['handle'])
    .addForeignKeyConstraint('containers_worker_name_fkey', ['worker_name'], 'workers', ['name'])
    .addCheckConstraint(
      'containers_lease_while_creating',
      sql`(state = 'creating') = (lease_until is not null) and (lease_until is null) = (lease_holder is null)`,
    )
    .execute();
  // One live row per owner. The index has a digest, because a key of 1,024 characters may exceed
  // the size limit of an index entry.
  await schema
    .createIndex('containers_one_live_per_owner')
    .unique()
    .on('containers')
    .columns(['worker_name', 'owner_digest'])
    .where(sql.ref('state'), 'in', ['creating', 'created'])
    .execute();
  await schema
    .createIndex('containers_by_worker_and_state')
    .on('containers')
    .columns(['worker_name', 'state', 'created_at', 'id'])
    .execute();
  await schema
    .createTable('container_properties')
    .addColumn('container_id', 'bigint', (column) => column.notNull().references('containers.id').onDelete('cascade'))
    .addColumn('name', 'text', (column) => column.notNull().check(sql`char_length(name) between 1 and 253`))
    .addColumn('value', 'text', (column) => column.notNull().check(sql`octet_length(value) <= 1048576`))
    .addColumn('updated_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addPrimaryKeyConstraint('container_properties_pkey', ['container_id', 'name'])
    .execute();
  await schema
    .createTable('processes')
    .addColumn('container_id', 'bigint', (column) => column.notNull().references('containers.id').onDelete('cascade'))
    .addColumn('process_id', 'text', (column) => column.notNull().check(sql`char_length(process_id) between 1 and 100`))
    .addColumn('exit_status', 'integer', (column) => column.notNull().check(sql`exit_status between 0 and 255`))
    .addColumn('signal', 'integer', (column) => column.check(sql`signal between 1 and 127`))
    .addColumn('finished_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addPrimaryKeyConstraint('processes_pkey', ['container_id', 'process_id'])
    .execute();
}

async function createVolumes({ schema }: Kysely<InstallationTables>): Promise<void> {
  // No cascade from containers: a volume with bytes somewhere is deleted only by name.
  await schema
    .createTable('volumes')
    .addColumn('id', 'bigint', (column) => column.generatedAlwaysAsIdentity().primaryKey())
    .addColumn('handle', 'text', (column) => column.notNull().check(sql`char_length(handle) between 1 and 253`))
    .addColumn('worker_name', 'text', (column) => column.notNull())
    .addColumn('container_id', 'bigint', (column) => column.references('containers.id'))
    .addColumn('kind', 'text', (column) =>
      column.notNull().check(sql`kind in ('dir', 'input', 'output', 'cache', 'artifact')`),
    )
    .addColumn('state', 'text', (column) =>
      column.notNull().check(sql`state in ('creating', 'created', 'failed', 'destroying')`),
    )
    .addColumn('mount_path', 'text', (column) => column.check(sql`octet_length(mount_path) between 1 and 2048`))
    .addColumn('name', 'text')
    .addColumn('team_id', 'text')
    .addColumn('store', 'text', (column) => column.notNull())
    .addColumn('location', 'jsonb', (column) => column.notNull())
    .addColumn('ready_at', 'timestamptz')
    .addColumn('digest', 'text', (column) => column.check(sql`digest ~ '^[0-9a-f]{64}$'`))
    .addColumn('size_bytes', 'bigint', (column) => column.check(sql`size_bytes between 0 and 9007199254740991`))
    .addColumn('expires_at', 'timestamptz')
    .addColumn('lease_until', 'timestamptz')
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addColumn('updated_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addUniqueConstraint('volumes_handle_key', ['handle'])
    .addForeignKeyConstraint('volumes_worker_name_fkey', ['worker_name'], 'workers', ['name'])
    .addUniqueConstraint('volumes_container_id_mount_path_key', ['container_id', 'mount_path'])
    .addCheckConstraint(
      'volumes_artifact_or_mounted',
      sql`(kind = 'artifact') = (container_id is null) and (container_id is null) = (mount_path is null)`,
    )
    .addCheckConstraint('volumes_artifact_expires', sql`(kind = 'artifact') = (expires_at is not null)`)
    .addCheckConstraint(
      'volumes_lease_while_creating',
      sql`(kind = 'artifact' and state = 'creating') = (lease_until is not null)`,
    )
    .addCheckConstraint('volumes_digest_with_size', sql`(digest is null) = (size_bytes is null)`)
    .execute();
  await schema.createIndex('volumes_by_worker').on('volumes').column('worker_name').execute();
  await schema
    .createIndex('volumes_artifacts_by_state')
    .on('volumes')
    .columns(['worker_name', 'state', 'created_at', 'id'])
    .where(sql.ref('container_id'), 'is', null)
    .execute();
  await schema
    .createIndex('volumes_artifacts_by_expiry')
    .on('volumes')
    .columns(['worker_name', 'expires_at'])
    .where(sql.ref('container_id'), 'is', null)
    .where(sql.ref('state'), 'in', ['creating', 'created'])
    .execute();
}
