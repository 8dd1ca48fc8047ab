import type { Compilable } from 'kysely';

import type { Lease } from '../../container-repository.ts';
import { fromNow, now, type StatementBuilder } from '../tables.ts';
import { ownerHasFinished } from './finished-owners.ts';

/** The facts that explain why a holder's statement found no row. */
interface HoldingRow {
  readonly state: string;
  readonly worker_name: string;
  readonly owner_kind: string;
  readonly owner_key: string;
  /** Whether the owner has finished for good. */
  readonly finished: 'true' | 'false';
}

/** Extends a lease from now. Selects no row if the holder has lost it. */
export function extendLease(
  statements: StatementBuilder,
  handle: string,
  lease: Lease,
): Compilable<{ handle: string }> {
  return statements
    .updateTable('containers')
    .set({ lease_until: fromNow(lease.durationMs), updated_at: now() })
    .where('handle', '=', handle)
    .where('state', '=', 'creating')
    .where('lease_holder', '=', lease.holder)
    .returning('handle');
}

/** Ends a lease. Selects no row if the holder has lost it. */
export function endLease(statements: StatementBuilder, handle: string, holder: string): Compilable<{ handle: string }> {
  return statements
    .updateTable('containers')
    .set({ lease_holder: null, updated_at: now() })
    .where('handle', '=', handle)
    .where('state', '=', 'creating')
    .where('lease_holder', '=', holder)
    .returning('handle');
}

/** Records the pod of a container. Selects no row if the holder has lost its lease. */
export function setPodUid(
  statements: StatementBuilder,
  handle: string,
  holder: string,
  podUid: string,
): Compilable<{ handle: string }> {
  return statements
    .updateTable('containers')
    .set({ pod_uid: podUid, updated_at: now() })
    .where('handle', '=', handle)
    .where('state', '=', 'creating')
    .where('lease_holder', '=', holder)
    .returning('handle');
}

/**
 * Moves a container and its volumes out of `creating`, which ends the lease. Changes nothing if
 * they are already in that state. A container of an owner that has finished for good does not
 * become `created`. Selects the generation of the last holder, or no row.
 */
export function moveHeld(
  statements: StatementBuilder,
  handle: string,
  holder: string,
  to: 'created' | 'failed',
): Compilable<{ generation: string }> {
  return statements
    .with('moved', (db) =>
      db
        .updateTable('containers')
        .set({ state: to, lease_holder: null, lease_until: null, updated_at: now() })
        .where('handle', '=', handle)
        .where((eb) =>
          eb.or([eb('state', '=', to), eb.and([eb('state', '=', 'creating'), eb('lease_holder', '=', holder)])]),
        )
        .$if(to === 'created', (moved) =>
          moved.where((eb) => eb.or([eb('state', '=', to), eb.not(ownerHasFinished())])),
        )
        .returning(['id', 'lease_generation']),
    )
    .with('mounted', (db) =>
      db
        .updateTable('volumes')
        .set({ state: to, updated_at: now() })
        .where('container_id', 'in', db.selectFrom('moved').select('id'))
        .where('state', '=', 'creating'),
    )
    .selectFrom('moved')
    .select((eb) => eb.cast<string>('lease_generation', 'text').as('generation'));
}

/** Selects what explains why a holder's statement found no row. */
export function selectHolding(statements: StatementBuilder, handle: string): Compilable<HoldingRow> {
  return statements
    .selectFrom('containers')
    .select((eb) => [
      ...(['state', 'worker_name', 'owner_kind', 'owner_key'] as const),
      eb.cast<'true' | 'false'>(ownerHasFinished(), 'text').as('finished'),
    ])
    .where('handle', '=', handle);
}
