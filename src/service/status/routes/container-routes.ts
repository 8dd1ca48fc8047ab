import {
  type Container,
  type ContainerDescription,
  type ContainerInfo,
  isKubernetesWorkerError,
  type KubernetesContainerInfo,
  type TerminationInfo,
} from '../../../index.ts';
import { HttpError } from '../http/http-error.ts';
import { json, type Reply, type Route, type StatusRequest } from '../http/request.ts';
import { fieldsOf, handleOf, oneOf, pageLimit } from '../query.ts';
import { type StatusContext, workerOf } from './context.ts';

const states = ['creating', 'created', 'kept', 'failed', 'destroying'] as const;

export function containerRoutes(context: StatusContext): readonly Route[] {
  const list = async (request: StatusRequest): Promise<Reply> => await listContainers(context, request);
  return [
    { path: '/api/v1/containers', access: 'guarded', handler: list },
    { path: '/containers', access: 'guarded', handler: list },
    {
      path: '/api/v1/containers/{handle}',
      access: 'guarded',
      handler: async (request) => await showContainer(context, request),
    },
  ];
}

async function listContainers(context: StatusContext, { query, signal }: StatusRequest): Promise<Reply> {
  const { state, ownerKind, after, limit } = fieldsOf(query, ['state', 'ownerKind', 'after', 'limit']);
  const { containers, next } = await workerOf(context).listContainers(
    { state: oneOf('state', state, states), ownerKind, after, limit: pageLimit(limit) },
    { signal },
  );
  return json({ containers: containers.map(containerView), next: next ?? null });
}

async function showContainer(context: StatusContext, { params, query, signal }: StatusRequest): Promise<Reply> {
  fieldsOf(query, []);
  const handle = handleOf('handle', params['handle']);
  const worker = workerOf(context);
  const { containers } = await worker.listContainers({ handle, limit: 1 }, { signal });
  const [info] = containers;
  if (info === undefined) throw new HttpError('KW_HTTP_NOT_FOUND', 'The worker has no container of this handle.');
  const { volumes } = await worker.listVolumes({ containerHandle: handle }, { signal });
  const container = await worker.lookupContainer(handle, { signal });
  const mounts = volumes.map(({ handle: volume, mountPath, kind, name }) => ({
    volume,
    mountPath: mountPath ?? null,
    kind,
    name: name ?? null,
  }));
  return json({ ...containerView(info), mounts, ...(await podOf(container, signal)) });
}

/** Returns the pod as the cluster reports it, or why it is not known: the row is there in both cases. */
async function podOf(container: Container | undefined, signal: AbortSignal): Promise<object> {
  if (container === undefined) return { pod: null, podError: null };
  try {
    return { pod: podView(await container.describe({ signal })), podError: null };
  } catch (error) {
    if (!isKubernetesWorkerError(error)) throw error;
    return { pod: null, podError: { code: error.code, message: error.message } };
  }
}

/** A container in JSON: no property and no setting of it, because they may be secret. */
function containerView(info: ContainerInfo): object {
  const { handle, owner, state, podName, podUid, metadata, createdAt, keptUntil } = info;
  const { type, stepName, pipelineName, jobName, buildName, team } = metadata;
  return {
    handle,
    owner: { kind: owner.kind, key: owner.key },
    state,
    podName,
    podUid: podUid ?? null,
    metadata: { type, stepName, pipelineName, jobName, buildName, team },
    createdAt,
    keptUntil: keptUntil ?? null,
  };
}

/** A pod in JSON. Texts are left out, because they may be what a program has printed. */
function podView({ podName, podUid, nodeName, phase, reason, conditions, containers }: ContainerDescription): object {
  return {
    name: podName,
    uid: podUid,
    node: nodeName ?? null,
    phase,
    reason: reason ?? null,
    conditions: conditions.map((each) => ({
      type: each.type,
      status: each.status,
      reason: each.reason ?? null,
      changedAt: each.changedAt ?? null,
    })),
    containers: containers.map(kubernetesContainerView),
  };
}

function kubernetesContainerView(container: KubernetesContainerInfo): object {
  const { name, image, imageDigest, state, restarts, lastTermination } = container;
  return {
    name,
    image,
    imageDigest: imageDigest ?? null,
    state: state.kind,
    reason: state.kind === 'waiting' ? (state.reason ?? null) : null,
    startedAt: state.kind === 'running' ? (state.startedAt ?? null) : null,
    restarts,
    termination: state.kind === 'terminated' ? terminationView(state.termination) : null,
    lastTermination: lastTermination === undefined ? null : terminationView(lastTermination),
  };
}

function terminationView({ exitCode, reason, startedAt, finishedAt }: TerminationInfo): object {
  return { exitCode, reason: reason ?? null, startedAt: startedAt ?? null, finishedAt: finishedAt ?? null };
}
