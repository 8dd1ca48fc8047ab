import { InvalidSpecError } from '../../errors/caller.ts';
import type { VolumeInfo, VolumePage, VolumeQuery } from '../../runtime/volume-query.ts';
import { checkText } from '../field-checks.ts';
import { decodeCursor, encodeCursor } from './page-cursor.ts';
import { jsonText, parse, toVolume, type VolumeRow } from './rows.ts';
import type { StatementRunner } from './statement-runner.ts';
import type { StatementBuilder } from './tables.ts';

const defaultLimit = 100;
const maxLimit = 1000;

/**
 * Returns a page of a worker's volumes, in one statement.
 *
 * @throws InvalidSpecError
 */
export async function listVolumes(
  { runner, statements }: { readonly runner: StatementRunner; readonly statements: StatementBuilder },
  workerName: string,
  { containerHandle, kind, state, after: cursor, limit = defaultLimit }: VolumeQuery,
  signal: AbortSignal | undefined,
): Promise<VolumePage> {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > maxLimit)
    throw new InvalidSpecError('limit', `must be a whole number from 1 to ${maxLimit}`);
  if (containerHandle !== undefined) checkText('containerHandle', containerHandle, 253);
  const after = cursor === undefined ? undefined : decodeCursor('after', cursor);
  const rows = await runner.rows(
    statements
      .selectFrom('volumes')
      .leftJoin('containers', 'containers.id', 'volumes.container_id')
      .select((eb) => [jsonText(eb.fn.toJson('volumes')).as('row'), 'containers.handle as container_handle'])
      .where('volumes.worker_name', '=', workerName)
      .$if(containerHandle !== undefined, (query) => query.where('containers.handle', '=', containerHandle ?? ''))
      .where((eb) =>
        eb.and([
          ...(kind === undefined ? [] : [eb('volumes.kind', '=', kind)]),
          ...(state === undefined ? [] : [eb('volumes.state', '=', state)]),
          ...(after === undefined
            ? []
            : [
                eb(
                  eb.refTuple('volumes.created_at', 'volumes.id'),
                  '>',
                  eb.tuple(
                    eb.cast<Date>(eb.val(after.createdAt), 'timestamptz'),
                    eb.cast<`${number}`>(eb.val(after.id), 'bigint'),
                  ),
                ),
              ]),
        ]),
      )
      .orderBy('volumes.created_at')
      .orderBy('volumes.id')
      // One more than the page has, to find out whether another page follows.
      .limit(limit + 1),
    { signal },
  );
  const page = rows.slice(0, limit).map(({ row, container_handle: container }) => ({ row: parse(row), container }));
  const last = rows.length > limit ? page.at(-1)?.row : undefined;
  return {
    volumes: page.map(({ row, container }) => toVolumeInfo(row, container ?? undefined)),
    ...(last === undefined ? {} : { next: encodeCursor({ createdAt: last.created_at, id: last.id }) }),
  };
}

function toVolumeInfo(row: VolumeRow, container: string | undefined): VolumeInfo {
  const { archive, store, ...record } = toVolume(row, container);
  const { handle, kind, state, containerHandle, mountPath, name, teamId } = record;
  const { readyAt, digest, sizeBytes, unsavedAt, expiresAt, createdAt } = record;
  const place = { containerHandle, mountPath, name, teamId, store: archive?.store ?? store };
  return { handle, kind, state, ...place, readyAt, digest, sizeBytes, unsavedAt, expiresAt, createdAt };
}
