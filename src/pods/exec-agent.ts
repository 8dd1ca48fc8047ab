import { UnauthorizedError } from '../errors/cluster.ts';
import { PodDeletedError } from '../errors/pod.ts';
import type { ExecConnection } from '../exec/exec-connection.ts';
import { type OpenExecOptions, openExec } from '../exec/open-exec.ts';
import type { Cluster, ExecTarget } from '../kubernetes/cluster.ts';
import type { GrantedCalls } from '../kubernetes/granted-calls.ts';
import { handleOf } from '../kubernetes/pod-spec/labels.ts';
import { isGeneratedName } from '../kubernetes/pod-spec/pod-name.ts';
import { agentConnectCommand, mainContainerName } from '../kubernetes/pod-spec/pod-spec.ts';

/** What the execs of a worker share. */
export interface SharedExecOptions extends Pick<OpenExecOptions, 'buffers' | 'protocols' | 'observe'> {
  /** What the server has granted to the other execs. @defaultValue each refusal is final */
  readonly granted?: GrantedCalls | undefined;
}

export type ExecInPodOptions = SharedExecOptions & Pick<OpenExecOptions, 'signal'>;

/** As the errors of a refused exec name it. */
const execCall = { verb: 'create', resource: 'pods/exec' };

export interface AgentExecOptions extends ExecInPodOptions {
  /** The handle that the pod must belong to. @defaultValue any */
  readonly handle?: string | undefined;
}

/**
 * Opens a connection to a pod's agent by exec.
 *
 * @throws PodDeletedError - the pod's name belongs to the pod of another handle now
 */
export async function connectByExec(
  cluster: Cluster,
  podName: string,
  { handle, ...options }: AgentExecOptions = {},
): Promise<ExecConnection> {
  if (handle !== undefined && !isGeneratedName(podName, handle)) await requireOwnPod(cluster, podName, handle, options);
  return await execInMain(cluster, { podName, command: agentConnectCommand }, options);
}

/**
 * Opens an exec in the main container of a pod. Retries once with new credentials if the server
 * refuses the first.
 *
 * @throws ApiUnavailableError - the server refuses what it has granted before
 */
export async function execInMain(
  cluster: Pick<Cluster, 'execEndpoint'>,
  { podName, command }: { readonly podName: string; readonly command: readonly string[] },
  { granted, ...options }: ExecInPodOptions = {},
): Promise<ExecConnection> {
  const target = { podName, containerName: mainContainerName, command };
  try {
    const connection = await openWithNewCredentials(cluster, target, options);
    granted?.add(execCall);
    return connection;
  } catch (error) {
    throw granted === undefined ? error : granted.judge(error);
  }
}

async function openWithNewCredentials(
  cluster: Pick<Cluster, 'execEndpoint'>,
  target: ExecTarget,
  options: OpenExecOptions,
): Promise<ExecConnection> {
  const { signal } = options;
  const endpoint = await cluster.execEndpoint(target, { signal });
  try {
    return await openExec(endpoint, options);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    return await openExec(await cluster.execEndpoint(target, { signal, refused: endpoint }), options);
  }
}

/**
 * An exec names its pod only. A later container may have the name that a host has chosen, and must
 * not get the commands of an earlier one.
 */
async function requireOwnPod(
  cluster: Cluster,
  podName: string,
  handle: string,
  { signal }: AgentExecOptions,
): Promise<void> {
  const pod = await cluster.getPod(podName, { signal });
  const owner = handleOf(pod?.metadata);
  if (owner === undefined || owner === handle) return;
  const detail = 'its name now belongs to the pod of another container';
  throw new PodDeletedError({ namespace: cluster.namespace, podName, detail });
}
