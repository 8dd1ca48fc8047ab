import type { Kysely } from 'kysely';

/** Adds the lease of the reaper of each worker, and when its last pass began. */
export async function reaperLease({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('workers')
    .addColumn('reaper_holder', 'text')
    .addColumn('reaper_until', 'timestamptz')
    .addColumn('reaped_at', 'timestamptz')
    .execute();
}
