import { type ClientRequest, request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';

import { DirectReading } from './direct-reading.ts';
import type { ExecEndpoint, ExecTls } from './exec-endpoint.ts';
import type { WireOffer, WireProtocol } from './exec-wire.ts';
import { openTunnel } from './proxy-tunnel.ts';

/** A request to go on with something else than HTTP. */
export interface UpgradeRequest {
  readonly request: ClientRequest;
  readonly offer: WireOffer;
  /** Of the connection; none of one through a proxy. */
  readonly reading: DirectReading | undefined;
}

/**
 * Sends it; its events say what became of it. The signal destroys the connection to a proxy, which the request does
 * not have yet. Throws where the URL, or a header, is none.
 */
export function requestUpgrade(endpoint: ExecEndpoint, protocol: WireProtocol, signal: AbortSignal): UpgradeRequest {
  const url = new URL(endpoint.url);
  if (url.protocol !== 'wss:' && url.protocol !== 'ws:') throw new TypeError(`the URL's scheme is ${url.protocol}`);
  const isSecure = url.protocol === 'wss:';
  const offer = protocol.offer(isSecure);
  const reading = endpoint.proxy === undefined ? new DirectReading() : undefined;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port === '' ? (isSecure ? 443 : 80) : url.port);
  const tls = isSecure ? defined(endpoint.tls) : {};
  const options: RequestOptions = {
    ...tls,
    host,
    port,
    // Else the header Host would name a port that goes without saying.
    defaultPort: isSecure ? 443 : 80,
    path: url.pathname + url.search,
    method: offer.method,
    headers: { ...endpoint.headers, ...offer.headers, Connection: 'Upgrade' },
    createConnection: connectionBy(endpoint.proxy, {
      address: { host, port },
      tls: isSecure ? tls : undefined,
      reading,
      signal,
    }),
  };
  const request = isSecure ? httpsRequest(options) : httpRequest(options);
  request.end();
  return { request, offer, reading };
}

interface ConnectionFacts {
  readonly address: { readonly host: string; readonly port: number };
  /** `undefined`: a connection without TLS. */
  readonly tls: ExecTls | undefined;
  readonly reading: DirectReading | undefined;
  readonly signal: AbortSignal;
}

/** Makes a connection of its own, as `node:http` asks for it: at once, or by the callback. */
function connectionBy(
  proxy: string | undefined,
  facts: ConnectionFacts,
): NonNullable<RequestOptions['createConnection']> {
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
      // The type wants a socket even where there is none.
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), undefined as never),
    );
    return undefined;
  };
}

function connectTo({ address, tls, reading }: ConnectionFacts): Socket {
  const direct = reading === undefined ? {} : { onread: reading.onread };
  const socket =
    tls === undefined
      ? tcpConnect({ ...address, ...direct })
      : tlsConnect({ ...tlsOptions(address.host, tls), ...address, ...direct });
  reading?.serve(socket);
  return socket;
}

function tlsOptions(host: string, tls: ExecTls): ConnectionOptions {
  return { servername: isIP(host) === 0 ? host : '', ...tls };
}

/** Without what is undefined, which `node:tls` would take for a value. */
function defined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
