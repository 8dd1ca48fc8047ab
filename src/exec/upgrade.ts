import type { RequestOptions } from 'node:https';
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';

import type { DirectReading } from '../internal/direct-reading.ts';
import type { ExecEndpoint, ExecTls } from './exec-endpoint.ts';
import { openTunnel } from './proxy-tunnel.ts';

export type CreateConnection = NonNullable<RequestOptions['createConnection']>;

/** Where to send the request for an upgrade, and how to connect. */
export interface UpgradeTarget {
  readonly url: URL;
  /** Whether the connection uses TLS. */
  readonly isSecure: boolean;
  /** The endpoint's headers. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Returns the option of `node:http` that creates a connection of its own: direct or through the
   * proxy, with TLS if the URL requires it. A direct connection reads through `reading`.
   */
  connector(reading: DirectReading): CreateConnection;
}

/**
 * Reads an endpoint. The signal destroys the connection to a proxy, which the request does not own
 * until the tunnel is open.
 *
 * @throws TypeError - the URL is invalid
 */
export function upgradeTargetOf(endpoint: ExecEndpoint, signal: AbortSignal): UpgradeTarget {
  const url = new URL(endpoint.url);
  if (url.protocol !== 'wss:' && url.protocol !== 'ws:') throw new TypeError(`the URL's scheme is ${url.protocol}`);
  const isSecure = url.protocol === 'wss:';
  const address = { host: url.hostname.replace(/^\[|\]$/g, ''), port: portOf(url) };
  const tls = isSecure ? defined(endpoint.tls) : undefined;
  return {
    url,
    isSecure,
    headers: endpoint.headers,
    connector: (reading) => connectorBy(endpoint.proxy, { address, tls, reading, signal }),
  };
}

/** Returns the port of a WebSocket URL. */
export function portOf(url: URL): number {
  return Number(url.port === '' ? defaultPortOf(url) : url.port);
}

/** Returns the port that a WebSocket URL omits, as the header `Host` does. */
export function defaultPortOf(url: URL): number {
  return url.protocol === 'wss:' ? 443 : 80;
}

interface ConnectionFacts {
  readonly address: { readonly host: string; readonly port: number };
  /** `undefined` for a connection without TLS. */
  readonly tls: ExecTls | undefined;
  readonly reading: DirectReading;
  readonly signal: AbortSignal;
}

/** A direct connection is returned at once; a tunnel is passed to the callback. */
function connectorBy(proxy: string | undefined, facts: ConnectionFacts): CreateConnection {
  if (proxy === undefined) return () => connectTo(facts);
  return (_options, done) => {
    openTunnel(proxy, facts.address, facts.signal).then(
      (tunnel) =>
        done(
          null,
          facts.tls === undefined
            ? tunnel
            : tlsConnect({ ...tlsOptions(facts.address.host, facts.tls), socket: tunnel }),
        ),
      // The type requires a socket even with an error.
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), undefined as never),
    );
    return undefined;
  };
}

function connectTo({ address, tls, reading }: ConnectionFacts): Socket {
  const direct = { onread: reading.onread() };
  const socket =
    tls === undefined
      ? tcpConnect({ ...address, ...direct })
      : tlsConnect({ ...tlsOptions(address.host, tls), ...address, ...direct });
  reading.serve(socket);
  return socket;
}

function tlsOptions(host: string, tls: ExecTls): ConnectionOptions {
  return { servername: isIP(host) === 0 ? host : '', ...tls };
}

/** Removes undefined values, which `node:tls` treats as values. */
function defined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
