import type { Kysely } from 'kysely';

/** Adds the index for lists of a worker's containers in every state. */
export async function containerLists({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createIndex('containers_by_worker_and_time')
    .on('containers')
    .columns(['worker_name', 'created_at', 'id'])
    .execute();
}
