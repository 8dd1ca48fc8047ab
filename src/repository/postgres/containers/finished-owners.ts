import type { Compilable, Expression, SqlBool } from 'kysely';
import { expressionBuilder } from 'kysely';

import type { ContainerOwner } from '../../../runtime/container.ts';
import type { MarkOwnerFinishedOptions } from '../../container-repository.ts';
import { ownerDigest } from '../input.ts';
import { destroyingContainer, fromNow, kept, liveStates, now, type StatementBuilder, type Tables } from '../tables.ts';

/**
 * Moves the owner's live container and its volumes to `destroying`; with a handle also a kept one.
 * Selects the moved handles.
 */
export function moveFinished(
  statements: StatementBuilder,
  workerName: string,
  owner: ContainerOwner,
  { handle }: Pick<MarkOwnerFinishedOptions, 'handle'>,
): Compilable<{ handle: string }> {
  return statements
    .with('moved', (db) =>
      db
        .updateTable('containers')
        .set(destroyingContainer())
        .where(isFinishable(workerName, owner, handle))
        .returning(['id', 'handle']),
    )
    .with('mounted', (db) =>
      db
        .updateTable('volumes')
        .set({ state: 'destroying', updated_at: now() })
        .where('container_id', 'in', db.selectFrom('moved').select('id')),
    )
    .selectFrom('moved')
    .select('handle');
}

/**
 * Returns the condition that a row of `containers` is what the owner's finish ends: the live
 * container; with a handle only that one, also if it is kept.
 */
export function isFinishable(
  workerName: string,
  owner: ContainerOwner,
  handle: string | undefined,
): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'containers'>();
  return eb.and([
    eb('worker_name', '=', workerName),
    eb('owner_digest', '=', ownerDigest(owner)),
    eb('state', 'in', handle === undefined ? liveStates : [...liveStates, kept]),
    ...(handle === undefined ? [] : [eb('handle', '=', handle)]),
  ]);
}

/**
 * Records that the owner has finished for good. With a handle, it records nothing while the owner
 * has another live container. Records nothing for a worker that no longer exists.
 */
export function recordFinished(
  statements: StatementBuilder,
  workerName: string,
  owner: ContainerOwner,
  { handle }: Pick<MarkOwnerFinishedOptions, 'handle'>,
): Compilable {
  const digest = ownerDigest(owner);
  return statements
    .insertInto('finished_owners')
    .columns(['worker_name', 'owner_digest'])
    .expression(
      statements
        .selectFrom('workers')
        .select((eb) => ['workers.name as worker_name', eb.val(digest).as('owner_digest')])
        .where('workers.name', '=', workerName)
        .$if(handle !== undefined, (record) =>
          record.where((eb) =>
            eb.not(
              eb.exists(
                eb
                  .selectFrom('containers')
                  .select('id')
                  .where('worker_name', '=', workerName)
                  .where('owner_digest', '=', digest)
                  .where('state', 'in', liveStates)
                  .where('handle', '<>', handle ?? ''),
              ),
            ),
          ),
        ),
    )
    .onConflict((conflict) => conflict.columns(['worker_name', 'owner_digest']).doUpdateSet({ finished_at: now() }));
}

/** Returns the condition that the owner has finished for good. */
export function hasFinished(workerName: string, owner: ContainerOwner): Expression<SqlBool> {
  const eb = expressionBuilder<Tables>();
  return eb.exists(
    eb
      .selectFrom('finished_owners')
      .select('finished_at')
      .where('worker_name', '=', workerName)
      .where('owner_digest', '=', ownerDigest(owner)),
  );
}

/** Returns the condition that the owner of a row of `containers` has finished for good. */
export function ownerHasFinished(): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'containers'>();
  return eb.exists(
    eb
      .selectFrom('finished_owners')
      .select('finished_owners.finished_at')
      .whereRef('finished_owners.worker_name', '=', 'containers.worker_name')
      .whereRef('finished_owners.owner_digest', '=', 'containers.owner_digest'),
  );
}

/** Deletes the records of owners that finished longer ago. Selects how many it has deleted. */
export function deleteFinished(
  statements: StatementBuilder,
  workerName: string,
  olderThanMs: number,
): Compilable<{ count: string }> {
  return statements
    .with('pruned', (db) =>
      db
        .deleteFrom('finished_owners')
        .where('worker_name', '=', workerName)
        .where('finished_at', '<', fromNow(-olderThanMs))
        .returning('owner_digest'),
    )
    .selectFrom('pruned')
    .select((eb) => eb.cast<string>(eb.fn.countAll(), 'text').as('count'));
}
