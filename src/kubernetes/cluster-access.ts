import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';

import { type Cluster, HttpMethod, type KubeConfig, RequestContext } from '@kubernetes/client-node';
import { Agent, type Dispatcher } from 'undici';

import type { ExecTls } from '../exec/exec-endpoint.ts';

/** Same as kubectl. */
const tcpKeepAliveMs = 30_000;

/**
 * The address of the API server, with the credentials of one moment and a connection pool. Its use
 * never waits. client-node opens new connections for each call. Here all calls share them, across
 * renewed credentials as well, while certificates and proxy stay the same.
 */
export class ClusterAccess {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: ExecTls;
  readonly proxy: string | undefined;
  readonly dispatcher: Dispatcher | undefined;
  readonly #connectionKey: string;

  /** `kubeConfig` contains the credentials of its user, or client-node acquires them itself. */
  static async of(kubeConfig: KubeConfig, previous: ClusterAccess | undefined): Promise<ClusterAccess> {
    const options: RequestOptions = {};
    await kubeConfig.applyToHTTPSOptions(options);
    const context = new RequestContext(kubeConfig.getCurrentCluster()?.server ?? '', HttpMethod.GET);
    await kubeConfig.applySecurityAuthentication(context);
    return new ClusterAccess(kubeConfig.getCurrentCluster(), { options, context, previous });
  }

  private constructor(
    cluster: Cluster | null,
    {
      options,
      context,
      previous,
    }: {
      readonly options: RequestOptions;
      readonly context: RequestContext;
      readonly previous: ClusterAccess | undefined;
    },
  ) {
    this.server = cluster?.server ?? '';
    this.proxy = cluster?.proxyUrl;
    this.headers = headersOf(options);
    this.tls = tlsOf(options);
    this.#connectionKey = keyOf(this);
    const isShared = previous !== undefined && previous.#connectionKey === this.#connectionKey;
    this.dispatcher = isShared ? previous.dispatcher : (directAgent(this) ?? context.getDispatcher());
  }
}

/**
 * Returns an agent for connections without a proxy. They use HTTP/1.1: undici closes an idle HTTP/2
 * session with an error on its socket, which was seen to reach the process as an uncaught
 * exception.
 */
function directAgent({ proxy, tls }: ClusterAccess): Dispatcher | undefined {
  if (proxy !== undefined) return undefined;
  return new Agent({ allowH2: false, connect: { ...tls, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs } });
}

/** Returns a digest of every parameter of a connection. */
function keyOf({ server, proxy, tls }: ClusterAccess): string {
  const { ca, cert, key, rejectUnauthorized, servername } = tls;
  const parts = [server, proxy, ca, cert, key, rejectUnauthorized, servername];
  return createHash('sha256')
    .update(JSON.stringify(parts.map(String)))
    .digest('hex');
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
