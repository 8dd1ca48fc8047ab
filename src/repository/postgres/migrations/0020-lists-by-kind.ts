import type { Kysely } from 'kysely';

/**
 * Adds the indexes for lists of a worker's containers by the kind of their owner, and of its volumes
 * by their kind. Drops the index of which others have had the only column as their first one since
 * `0017-volume-lists`.
 */
export async function listsByKind({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createIndex('containers_by_worker_and_owner_kind')
    .on('containers')
    .columns(['worker_name', 'owner_kind', 'created_at', 'id'])
    .execute();
  await schema
    .createIndex('volumes_by_worker_and_kind')
    .on('volumes')
    .columns(['worker_name', 'kind', 'created_at', 'id'])
    .execute();
  await schema.dropIndex('volumes_by_worker').execute();
}
