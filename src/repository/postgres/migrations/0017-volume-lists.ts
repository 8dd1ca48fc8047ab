import type { Kysely } from 'kysely';

/** Adds the index for lists of a worker's volumes in every state. */
export async function volumeLists({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createIndex('volumes_by_worker_and_time')
    .on('volumes')
    .columns(['worker_name', 'created_at', 'id'])
    .execute();
}
