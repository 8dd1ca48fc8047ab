import type { RequestOptions } from 'node:https';

import type { KubeConfig } from '@kubernetes/client-node';
import type { Dispatcher } from 'undici';

import type { ExecTls } from '../../exec/exec-endpoint.ts';

/** The parameters of a connection that client-node determines. */
export interface ClientNodeParameters {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: ExecTls;
  readonly dispatcher: Dispatcher | undefined;
}

/** Returns the parameters for the current cluster and user of a configuration. */
export async function byClientNode(kubeConfig: KubeConfig): Promise<ClientNodeParameters> {
  // Already loaded, because the configuration is an object of client-node.
  const { HttpMethod, RequestContext } = await import('@kubernetes/client-node');
  const options: RequestOptions = {};
  await kubeConfig.applyToHTTPSOptions(options);
  const context = new RequestContext(kubeConfig.getCurrentCluster()?.server ?? '', HttpMethod.GET);
  await kubeConfig.applySecurityAuthentication(context);
  return { headers: headersOf(options), tls: tlsOf(options), dispatcher: context.getDispatcher() };
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
