import type { Kysely } from 'kysely';

/**
 * Adds when a command was started and when it ended, by its node's clock. `finished_at`, which is
 * older, is when the row was inserted.
 */
export async function processTimes({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('processes')
    .addColumn('command_started_at', 'timestamptz')
    .addColumn('command_finished_at', 'timestamptz')
    .execute();
}
