import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';

import {
  type Cluster,
  CoreV1Api,
  createConfiguration,
  HttpMethod,
  type KubeConfig,
  RequestContext,
  type SecurityAuthentication,
  ServerConfiguration,
} from '@kubernetes/client-node';
import { Agent } from 'undici';

import type { ExecTls } from '../exec/exec-endpoint.ts';

type Dispatcher = ReturnType<RequestContext['getDispatcher']>;

/** As kubectl's. */
const tcpKeepAliveMs = 30_000;

/**
 * How the API server is reached, with credentials that were there when this was made. Using it waits for nothing.
 * client-node makes connections anew for each call; here all calls share them, also with the access before, for as
 * long as certificates and proxy stay the same.
 */
export class ClusterAccess implements SecurityAuthentication {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: ExecTls;
  readonly proxy: string | undefined;
  readonly api: CoreV1Api;
  readonly #dispatcher: Dispatcher;
  readonly #connectionKey: string;

  /** `kubeConfig`: what its user needs is in it, or client-node gets it by itself. */
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
    this.#dispatcher = isShared ? previous.#dispatcher : (directAgent(this) ?? context.getDispatcher());
    const baseServer = new ServerConfiguration(this.server, {});
    this.api = new CoreV1Api(createConfiguration({ baseServer, authMethods: { default: this } }));
  }

  getName(): string {
    return 'kubeconfig';
  }

  applySecurityAuthentication(context: RequestContext): void {
    for (const [name, value] of Object.entries(this.headers)) context.setHeaderParam(name, value);
    if (this.#dispatcher !== undefined) context.setDispatcher(this.#dispatcher);
  }
}

/**
 * Connections without a proxy speak HTTP/1.1. undici closes an idle HTTP/2 session by an error on its socket, which was
 * seen to reach the process as an uncaught exception.
 */
function directAgent({ proxy, tls }: ClusterAccess): Dispatcher {
  if (proxy !== undefined) return undefined;
  return new Agent({ allowH2: false, connect: { ...tls, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs } });
}

/** Changes when anything changes that a connection is made with. */
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
