import type { Kysely } from 'kysely';

/**
 * Adds the checksum of each applied migration. It is null until the end of the transaction that
 * applies it.
 */
export async function migrationChecksums({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('migrations').addColumn('checksum', 'text').execute();
}
