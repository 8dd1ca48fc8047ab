import type { RequestOptions } from 'node:https';

import type { KubeConfig } from '@kubernetes/client-node';

import type { ExecEndpoint, ExecTls } from '../exec/exec-endpoint.ts';
import type { ExecTarget } from './cluster.ts';

/** Where an exec can be opened, with a configuration's credentials as they are now. */
export async function execEndpointOf(kubeConfig: KubeConfig, namespace: string, target: ExecTarget): Promise<ExecEndpoint> {
  const cluster = kubeConfig.getCurrentCluster();
  const options: RequestOptions = {};
  await kubeConfig.applyToHTTPSOptions(options);
  const agent = typeof options.agent === 'object' ? options.agent : undefined;
  return {
    url: execUrl(cluster?.server ?? '', namespace, target),
    headers: headersOf(options),
    tls: tlsOf(options),
    // Without a proxy there is nothing that an agent is needed for, and client-node's would keep its first certificates for ever.
    ...(cluster?.proxyUrl === undefined || agent === undefined ? {} : { agent }),
  };
}

/** The URL of an exec; a path in the server's own URL stays. */
export function execUrl(server: string, namespace: string, target: ExecTarget): string {
  const url = new URL(server);
  const path = ['api', 'v1', 'namespaces', namespace, 'pods', target.podName, 'exec'].map(encodeURIComponent).join('/');
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`;
  for (const argument of target.command) url.searchParams.append('command', argument);
  url.searchParams.set('container', target.containerName);
  for (const [name, value] of Object.entries({ stdin: 'true', stdout: 'true', stderr: 'true', tty: 'false' })) url.searchParams.set(name, value);
  return url.href;
}

function headersOf({ headers, auth }: RequestOptions): Record<string, string> {
  const found: Record<string, string> = {};
  if (headers !== undefined && !Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined && !Array.isArray(value)) found[name] = String(value).trim();
    }
  }
  if (typeof auth === 'string') found['Authorization'] ??= `Basic ${Buffer.from(auth).toString('base64')}`;
  return found;
}

function tlsOf({ ca, cert, key, servername, rejectUnauthorized }: RequestOptions): ExecTls {
  return {
    ...pem('ca', ca),
    ...pem('cert', cert),
    ...pem('key', key),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  };
}

function pem(name: 'ca' | 'cert' | 'key', value: unknown): ExecTls {
  return typeof value === 'string' || Buffer.isBuffer(value) ? { [name]: value } : {};
}
