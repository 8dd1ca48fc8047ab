import type { Kysely } from 'kysely';

/**
 * Adds to each applied migration the oldest one at which a version of the library may end and still
 * work with the schema. Null: it has to end at the migration itself, or later.
 */
export async function compatibleFrom({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('migrations').addColumn('compatible_from', 'text').execute();
}
