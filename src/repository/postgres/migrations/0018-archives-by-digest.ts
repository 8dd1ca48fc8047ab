import { type Kysely, sql } from 'kysely';

/** Adds the index that finds a ready archive by its content. */
export async function archivesByDigest({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createIndex('archives_by_digest')
    .on('archives')
    .columns(['worker_name', 'store', 'digest'])
    .where(sql.ref('state'), '=', 'ready')
    .execute();
}
