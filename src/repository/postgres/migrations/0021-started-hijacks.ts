import type { Kysely } from 'kysely';

/** Adds since when a process is known to have been started as a hijack. Null: it may be any process. */
export async function startedHijacks({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('hijacks').addColumn('started_at', 'timestamptz').execute();
}
