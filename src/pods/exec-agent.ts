import type { ByteConnection } from '../agent-client/session/byte-connection.ts';
import { UnauthorizedError } from '../errors/cluster.ts';
import { type OpenExecOptions, openExec } from '../exec/open-exec.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { agentConnectCommand, mainContainerName } from '../kubernetes/pod-spec/pod-spec.ts';

/**
 * Opens a connection to a pod's agent by exec. Retries once with new credentials if the server
 * refuses the first.
 */
export async function connectByExec(
  cluster: Cluster,
  podName: string,
  options: Pick<OpenExecOptions, 'signal' | 'buffers' | 'protocols'> = {},
): Promise<ByteConnection> {
  const target = { podName, containerName: mainContainerName, command: agentConnectCommand };
  const { signal } = options;
  const endpoint = await cluster.execEndpoint(target, { signal });
  try {
    return await openExec(endpoint, options);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    return await openExec(await cluster.execEndpoint(target, { signal, refused: endpoint }), options);
  }
}
