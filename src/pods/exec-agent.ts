import type { ByteConnection } from '../agent/byte-connection.ts';
import { UnauthorizedError } from '../errors/cluster.ts';
import { type OpenExecOptions, openExec } from '../exec/open-exec.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { agentConnectCommand, mainContainerName } from '../kubernetes/pod-spec.ts';

/** Opens a connection to a pod's agent by exec; credentials that have run out are read anew once. */
export async function connectByExec(
  cluster: Cluster,
  podName: string,
  options: Pick<OpenExecOptions, 'signal' | 'buffers' | 'protocols'> = {},
): Promise<ByteConnection> {
  const target = { podName, containerName: mainContainerName, command: agentConnectCommand };
  try {
    return await openExec(await cluster.execEndpoint(target), options);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    return await openExec(await cluster.execEndpoint(target, { refresh: true }), options);
  }
}
