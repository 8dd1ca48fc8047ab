import type { RawBuilder } from 'kysely';
import { sql } from 'kysely';

import type { Tables } from '../tables.ts';

/** How many holders a container has had. A lease may be released: it has no holder, and still an end, until which the reaper waits. */
export function leaseGeneration({ containers }: Tables): readonly RawBuilder<unknown>[] {
  return [
    sql`alter table ${containers}
      add column lease_generation bigint not null default 1 check (lease_generation >= 1),
      drop constraint containers_lease_while_creating,
      add constraint containers_lease_while_creating
        check ((state = 'creating') = (lease_until is not null) and (lease_holder is null or lease_until is not null))`,
  ];
}
