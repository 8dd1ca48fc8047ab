import type { Compilable } from 'kysely';

import type { ContainerOwner } from '../../../runtime/container.ts';
import type { ContainerState } from '../../../runtime/container-query.ts';
import type { MarkOwnerFinishedOptions } from '../../container-repository.ts';
import { creating, fromNow, now, type StatementBuilder } from '../tables.ts';
import { isFinishable } from './finished-owners.ts';

/**
 * Moves the owner's created container to `kept`, and one that is `creating` to `destroying` with
 * its volumes. With the handle of a kept container, changes how long it is kept. Selects the moved
 * handles.
 */
export function keepFinished(
  statements: StatementBuilder,
  workerName: string,
  owner: ContainerOwner,
  { handle, keepForMs }: Pick<MarkOwnerFinishedOptions, 'handle'> & { readonly keepForMs: number },
): Compilable<{ handle: string }> {
  return statements
    .with('moved', (db) =>
      db
        .updateTable('containers')
        .set((eb) => ({
          state: eb
            .case()
            .when('state', '=', creating)
            .then(eb.val<ContainerState>('destroying'))
            .else(eb.val<ContainerState>('kept'))
            .end(),
          lease_holder: null,
          lease_until: null,
          kept_at: eb.case().when('state', '<>', creating).then(eb.fn.coalesce('kept_at', now())).end(),
          keep_until: eb.case().when('state', '<>', creating).then(fromNow(keepForMs)).end(),
          updated_at: now(),
        }))
        .where(isFinishable(workerName, owner, handle))
        .returning(['id', 'handle', 'state']),
    )
    .with('mounted', (db) =>
      db
        .updateTable('volumes')
        .set({ state: 'destroying', updated_at: now() })
        .where('container_id', 'in', db.selectFrom('moved').select('id').where('state', '=', 'destroying')),
    )
    .selectFrom('moved')
    .select('handle');
}
