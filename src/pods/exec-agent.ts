import type { ByteConnection } from '../agent/byte-connection.ts';
import { UnauthorizedError } from '../errors/cluster.ts';
import { openExec } from '../exec/open-exec.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { agentConnectCommand, mainContainerName } from '../kubernetes/pod-spec.ts';
import type { AbortOptions } from '../runtime/options.ts';

/** Opens a connection to a pod's agent by exec; credentials that have run out are read anew once. */
export async function connectByExec(cluster: Cluster, podName: string, { signal }: AbortOptions = {}): Promise<ByteConnection> {
  const target = { podName, containerName: mainContainerName, command: agentConnectCommand };
  try {
    return await openExec(await cluster.execEndpoint(target), { signal });
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    return await openExec(await cluster.execEndpoint(target, { refresh: true }), { signal });
  }
}
