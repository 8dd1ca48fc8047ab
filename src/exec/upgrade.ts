import { createHash, randomBytes, randomFillSync } from 'node:crypto';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';

import { DirectReading } from './direct-reading.ts';
import type { ExecEndpoint, ExecTls } from './exec-endpoint.ts';
import type { MaskMaker } from './frame-encoding.ts';

/** What RFC 6455 (1.3) has both ends add to the key. */
const keySuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A request to go on with WebSocket. */
export interface UpgradeRequest {
  readonly request: ClientRequest;
  /** What the server has to answer to the key. */
  readonly accept: string;
  readonly mask: MaskMaker;
  /** Of the connection; none where a proxy's agent makes it. */
  readonly reading: DirectReading | undefined;
}

/** Sends it; its events say what became of it. Throws where the URL, or a header, is none. */
export function requestUpgrade(endpoint: ExecEndpoint, protocol: string): UpgradeRequest {
  const url = new URL(endpoint.url);
  if (url.protocol !== 'wss:' && url.protocol !== 'ws:') throw new TypeError(`the URL's scheme is ${url.protocol}`);
  const isSecure = url.protocol === 'wss:';
  const key = randomBytes(16).toString('base64');
  const reading = endpoint.agent === undefined ? new DirectReading() : undefined;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port === '' ? (isSecure ? 443 : 80) : url.port);
  const tls = isSecure ? defined(endpoint.tls) : {};
  const options: RequestOptions = {
    ...tls,
    host,
    port,
    path: url.pathname + url.search,
    headers: {
      ...endpoint.headers,
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
      'Sec-WebSocket-Protocol': protocol,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
    },
    ...(reading === undefined
      ? { agent: endpoint.agent }
      : { createConnection: () => connectTo({ host, port }, isSecure ? tls : undefined, reading) }),
  };
  const request = isSecure ? httpsRequest(options) : httpRequest(options);
  request.end();
  return {
    request,
    accept: createHash('sha1')
      .update(key + keySuffix)
      .digest('base64'),
    mask: isSecure ? zeroMask : randomMask,
    reading,
  };
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

/**
 * What is wrong with the answer that switches to WebSocket: nothing, the sub-protocol, or all of it.
 */
export function problemOf(
  { headers }: IncomingMessage,
  { accept }: UpgradeRequest,
  protocol: string,
): { readonly of: 'protocol' | 'answer'; readonly detail: string } | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return { of: 'answer', detail: 'the server switches to something else than WebSocket' };
  if (headers['sec-websocket-accept'] !== accept) return { of: 'answer', detail: 'the server has not answered this WebSocket key' };
  if (headers['sec-websocket-extensions'] !== undefined)
    return { of: 'answer', detail: 'the server uses a WebSocket extension that it was not offered' };
  const picked = headers['sec-websocket-protocol'];
  if (picked === undefined || picked === '') return { of: 'protocol', detail: 'the server picked no sub-protocol' };
  if (picked !== protocol) return { of: 'protocol', detail: 'the server picked a sub-protocol that it was not offered' };
  return undefined;
}

/** Masks keep what a page's script sends from being read as HTTP by a cache on the way. Within TLS nobody on the way reads (ADR 8). */
function zeroMask(mask: Buffer): void {
  mask.fill(0);
}

function randomMask(mask: Buffer): void {
  randomFillSync(mask);
}

/** Without what is undefined, which `node:tls` would take for a value. */
function defined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
