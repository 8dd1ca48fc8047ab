import type { VolumeInfo, VolumePage, VolumeQuery } from '../../../runtime/volume-query.ts';
import { checkText } from '../../field-checks.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { pageOf, pageTerms, rowsAfter } from '../page.ts';
import { jsonText, parse, toVolume, type VolumeRow } from '../rows.ts';
import type { StatementBuilder } from '../tables.ts';

/**
 * Returns a page of a worker's volumes, in one statement.
 *
 * @throws InvalidSpecError
 */
export async function listVolumes(
  { runner, statements }: { readonly runner: StatementRunner; readonly statements: StatementBuilder },
  workerName: string,
  { containerHandle, kind, state, ...paging }: VolumeQuery,
  signal: AbortSignal | undefined,
): Promise<VolumePage> {
  const { limit, after } = pageTerms(paging);
  if (containerHandle !== undefined) checkText('containerHandle', containerHandle, 253);
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
          ...rowsAfter('volumes', after),
        ]),
      )
      .orderBy('volumes.created_at')
      .orderBy('volumes.id')
      // One row more than the page, to find out whether another page follows.
      .limit(limit + 1),
    { signal },
  );
  const found = rows.map(({ row, container_handle: container }) => ({ row: parse(row), container }));
  const { page, next } = pageOf(found, limit, ({ row }) => row);
  return { volumes: page.map(({ row, container }) => toVolumeInfo(row, container ?? undefined)), ...next };
}

function toVolumeInfo(row: VolumeRow, container: string | undefined): VolumeInfo {
  const { archive, store, ...record } = toVolume(row, container);
  const { handle, kind, state, containerHandle, mountPath, name, teamId } = record;
  const { readyAt, digest, sizeBytes, unsavedAt, expiresAt, createdAt } = record;
  const place = { containerHandle, mountPath, name, teamId, store: archive?.store ?? store };
  return { handle, kind, state, ...place, readyAt, digest, sizeBytes, unsavedAt, expiresAt, createdAt };
}
