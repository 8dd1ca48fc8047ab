import type { ExecEndpoint } from '../exec/exec-endpoint.ts';
import type { ExecTarget } from './cluster.ts';
import type { ClusterAccess } from './cluster-access.ts';

/** Where an exec can be opened. */
export function execEndpointOf(
  { server, headers, tls, proxy }: ClusterAccess,
  namespace: string,
  target: ExecTarget,
): ExecEndpoint {
  return { url: execUrl(server, namespace, target), headers, tls, ...(proxy === undefined ? {} : { proxy }) };
}

/** The URL of an exec; a path in the server's own URL stays. */
export function execUrl(server: string, namespace: string, target: ExecTarget): string {
  const url = new URL(server);
  const path = ['api', 'v1', 'namespaces', namespace, 'pods', target.podName, 'exec'].map(encodeURIComponent).join('/');
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`;
  for (const argument of target.command) url.searchParams.append('command', argument);
  url.searchParams.set('container', target.containerName);
  for (const [name, value] of Object.entries({ stdin: 'true', stdout: 'true', stderr: 'true', tty: 'false' }))
    url.searchParams.set(name, value);
  return url.href;
}
