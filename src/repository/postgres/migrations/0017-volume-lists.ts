import { type Kysely, sql } from 'kysely';

/** Adds the indexes for lists of a worker's volumes: in every state, and in a state that few are in. */
export async function volumeLists({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createIndex('volumes_by_worker_and_time')
    .on('volumes')
    .columns(['worker_name', 'created_at', 'id'])
    .execute();
  await schema
    .createIndex('volumes_by_worker_and_rare_state')
    .on('volumes')
    .columns(['worker_name', 'state', 'created_at', 'id'])
    .where(sql.ref('state'), '!=', 'created')
    .execute();
}
