import type { ExecEndpoint } from '../../exec/exec-endpoint.ts';
import type { ClusterAccess } from '../access/cluster-access.ts';
import type { ExecTarget } from '../cluster.ts';
import { apiUrl } from './api-url.ts';

/** Returns the endpoint of an exec, with the credentials of the access. */
export function execEndpointOf(
  { server, headers, tls, proxy }: ClusterAccess,
  namespace: string,
  target: ExecTarget,
): ExecEndpoint {
  return { url: execUrl(server, namespace, target), headers, tls, ...(proxy === undefined ? {} : { proxy }) };
}

/** Returns the WebSocket URL of an exec. A path in the server's own URL is kept as a prefix. */
export function execUrl(server: string, namespace: string, target: ExecTarget): string {
  const { command, containerName: container, podName } = target;
  const query = { command, container, stdin: true, stdout: true, stderr: true, tty: false };
  const url = apiUrl(server, ['api', 'v1', 'namespaces', namespace, 'pods', podName, 'exec'], query);
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  return url.href;
}
