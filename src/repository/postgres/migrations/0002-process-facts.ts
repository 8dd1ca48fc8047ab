import type { RawBuilder } from 'kysely';
import { sql } from 'kysely';

import type { Tables } from '../tables.ts';

/** Who works in a container by hand, when somebody last did, and how many processes of it were killed for memory while one ran. */
export function processFacts({ containers, hijacks, processes }: Tables): readonly RawBuilder<unknown>[] {
  return [
    sql`alter table ${processes} add column oom_kills bigint check (oom_kills >= 0)`,
    sql`alter table ${containers} add column last_hijack_at timestamptz`,
    sql`create table ${hijacks} (
      container_id bigint not null references ${containers} (id) on delete cascade,
      process_id text not null check (char_length(process_id) between 1 and 100),
      seen_at timestamptz not null default now(),
      primary key (container_id, process_id)
    )`,
  ];
}
