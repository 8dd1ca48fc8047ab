import { type ClientRequest, request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';

import { DirectReading } from './direct-reading.ts';
import type { ExecEndpoint, ExecTls } from './exec-endpoint.ts';
import type { WireOffer, WireProtocol } from './exec-wire.ts';

/** A request to go on with something else than HTTP. */
export interface UpgradeRequest {
  readonly request: ClientRequest;
  readonly offer: WireOffer;
  /** Of the connection; none where a proxy's agent makes it. */
  readonly reading: DirectReading | undefined;
}

/** Sends it; its events say what became of it. Throws where the URL, or a header, is none. */
export function requestUpgrade(endpoint: ExecEndpoint, protocol: WireProtocol): UpgradeRequest {
  const url = new URL(endpoint.url);
  if (url.protocol !== 'wss:' && url.protocol !== 'ws:') throw new TypeError(`the URL's scheme is ${url.protocol}`);
  const isSecure = url.protocol === 'wss:';
  const offer = protocol.offer(isSecure);
  const reading = endpoint.agent === undefined ? new DirectReading() : undefined;
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
    ...(reading === undefined
      ? { agent: endpoint.agent }
      : { createConnection: () => connectTo({ host, port }, isSecure ? tls : undefined, reading) }),
  };
  const request = isSecure ? httpsRequest(options) : httpRequest(options);
  request.end();
  return { request, offer, reading };
}

/** A connection of its own, without TLS where no options for that are given. */
function connectTo(address: { readonly host: string; readonly port: number }, tls: ExecTls | undefined, reading: DirectReading): Socket {
  const { onread } = reading;
  const socket =
    tls === undefined
      ? tcpConnect({ ...address, onread })
      : tlsConnect({ servername: isIP(address.host) === 0 ? address.host : '', ...tls, ...address, onread } as ConnectionOptions);
  reading.serve(socket);
  return socket;
}

/** Without what is undefined, which `node:tls` would take for a value. */
function defined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
