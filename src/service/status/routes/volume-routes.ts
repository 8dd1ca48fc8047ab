import type { VolumeInfo } from '../../../index.ts';
import { json, type Reply, type Route, type StatusRequest } from '../http/request.ts';
import { fieldsOf, handleOf, oneOf, pageLimit } from '../query.ts';
import { type StatusContext, workerOf } from './context.ts';

const states = ['creating', 'created', 'failed', 'destroying'] as const;
const kinds = ['dir', 'input', 'output', 'cache', 'artifact'] as const;

export function volumeRoutes(context: StatusContext): readonly Route[] {
  const handler = async (request: StatusRequest): Promise<Reply> => await listVolumes(context, request);
  return ['/api/v1/volumes', '/volumes'].map((path) => ({ path, access: 'guarded', handler }));
}

async function listVolumes(context: StatusContext, { query, signal }: StatusRequest): Promise<Reply> {
  const fields = fieldsOf(query, ['container', 'kind', 'state', 'after', 'limit']);
  const { container, kind, state, after, limit } = fields;
  const { volumes, next } = await workerOf(context).listVolumes(
    {
      containerHandle: container === undefined ? undefined : handleOf('container', container),
      kind: oneOf('kind', kind, kinds),
      state: oneOf('state', state, states),
      after,
      limit: pageLimit(limit),
    },
    { signal },
  );
  return json({ volumes: volumes.map(volumeView), next: next ?? null });
}

function volumeView(volume: VolumeInfo): object {
  const { handle, kind, state, containerHandle, mountPath, name, teamId, store } = volume;
  const { readyAt, digest, sizeBytes, unsavedAt, expiresAt, createdAt } = volume;
  return {
    handle,
    kind,
    state,
    container: containerHandle ?? null,
    mountPath: mountPath ?? null,
    name: name ?? null,
    team: teamId ?? null,
    store,
    readyAt: readyAt ?? null,
    digest: digest ?? null,
    sizeBytes: sizeBytes ?? null,
    unsavedAt: unsavedAt ?? null,
    expiresAt: expiresAt ?? null,
    createdAt,
  };
}
