import { createHash } from 'node:crypto';

import type { Agent, Dispatcher, fetch } from 'undici';

import type { ExecTls } from '../../exec/exec-endpoint.ts';
import type { ConnectionParameters } from './connection-parameters.ts';

/** The interval of kubectl. */
const tcpKeepAliveMs = 30_000;

interface Undici {
  readonly Agent: typeof Agent;
  readonly fetch: typeof fetch;
}

/**
 * The address of the API server, with current credentials and a connection pool. Using it never
 * waits. client-node opens new connections for each call. Here all calls share them, across renewed
 * credentials as well, while certificates and proxy stay the same.
 */
export class ClusterAccess {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: ExecTls;
  readonly proxy: string | undefined;
  readonly dispatcher: Dispatcher | undefined;
  /** The `fetch` that accepts the dispatcher. */
  readonly fetch: typeof fetch;
  readonly #connectionKey: string;

  static async of(parameters: ConnectionParameters, previous: ClusterAccess | undefined): Promise<ClusterAccess> {
    // Imported at the first request: undici takes as long to load as all modules of the library.
    return new ClusterAccess(parameters, previous, await import('undici'));
  }

  private constructor(
    { server, headers, tls, proxy, dispatcher }: ConnectionParameters,
    previous: ClusterAccess | undefined,
    undici: Undici,
  ) {
    this.server = server;
    this.proxy = proxy;
    this.headers = headers;
    this.tls = tls;
    this.fetch = undici.fetch;
    this.#connectionKey = keyOf(this);
    const isShared = previous !== undefined && previous.#connectionKey === this.#connectionKey;
    this.dispatcher = isShared ? previous.dispatcher : (directAgent(this, undici) ?? dispatcher);
  }
}

/**
 * Returns an agent for connections without a proxy. They use HTTP/1.1: undici closes an idle HTTP/2
 * session with an error on its socket, which was seen to reach the process as an uncaught
 * exception.
 */
function directAgent({ proxy, tls }: ClusterAccess, { Agent }: Undici): Dispatcher | undefined {
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
