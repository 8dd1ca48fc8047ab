import type { Kysely } from 'kysely';

/** Adds the digest of the specification with which a process was started. */
export async function processDigest({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('processes').addColumn('spec_digest', 'text').execute();
}
