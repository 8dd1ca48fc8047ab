import type { RawBuilder } from 'kysely';
import { sql } from 'kysely';

import type { Tables } from '../tables.ts';

/** How much a process printed on each stream, so that a host that has not got all of it can tell, also when its pod is gone. */
export function outputSizes({ processes }: Tables): readonly RawBuilder<unknown>[] {
  return [
    sql`alter table ${processes}
      add column stdout_bytes bigint check (stdout_bytes between 0 and 9007199254740991),
      add column stderr_bytes bigint check (stderr_bytes between 0 and 9007199254740991)`,
  ];
}
