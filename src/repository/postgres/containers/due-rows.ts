import type { Compilable } from 'kysely';
import { jsonArrayFrom } from 'kysely/helpers/postgres';
import { type ContainerRow, type JsonText, jsonText, type VolumeRow } from '../rows.ts';
import type { StatementBuilder } from '../tables.ts';
import { isDueVolume } from '../volumes/destroyable-volumes.ts';
import { hasOpenStream } from '../volumes/volume-streams.ts';
import { type DestroyableSearch, isDueContainer, isUnused } from './destroyable-containers.ts';

/** What is known of a row that the next pass of the reaper deletes. */
export interface DueRows {
  readonly containers: JsonText<
    readonly Pick<ContainerRow, 'handle' | 'pod_name' | 'owner_kind' | 'owner_key' | 'state'>[]
  >;
  readonly volumes: JsonText<readonly Pick<VolumeRow, 'handle' | 'state'>[]>;
}

/**
 * Selects the containers and artifact volumes that the next pass of the reaper deletes, the oldest
 * first. Changes nothing.
 */
export function dueRows(statements: StatementBuilder, search: DestroyableSearch): Compilable<DueRows> {
  const { workerName, limit } = search;
  return statements.selectNoFrom((eb) => [
    jsonText(
      jsonArrayFrom(
        eb
          .selectFrom('containers')
          .select(['handle', 'pod_name', 'owner_kind', 'owner_key', 'state'])
          .where('worker_name', '=', workerName)
          .where((where) => where.or([where('state', '=', 'destroying'), isDueContainer(statements, search)]))
          .where(isUnused(search))
          .orderBy('created_at')
          .orderBy('id')
          .limit(limit),
      ),
    ).as('containers'),
    jsonText(
      jsonArrayFrom(
        eb
          .selectFrom('volumes')
          .select(['handle', 'state'])
          .where('worker_name', '=', workerName)
          .where('container_id', 'is', null)
          .where((where) => where.or([where('state', '=', 'destroying'), isDueVolume()]))
          .where((where) => where.not(hasOpenStream()))
          .orderBy('created_at')
          .orderBy('id')
          .limit(limit),
      ),
    ).as('volumes'),
  ]);
}
