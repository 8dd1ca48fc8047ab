import { addAbortListener, once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

import { connectBySocks } from './socks-handshake.ts';

/** The far end of a tunnel. */
export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
}

const defaultPorts: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'socks5:': 1080,
  'socks5h:': 1080,
};

/**
 * Opens a connection through a proxy, by CONNECT or SOCKS 5. The proxy resolves the host's name.
 * The signal destroys the socket in any phase.
 */
export async function openTunnel(proxy: string, target: TunnelTarget, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const url = new URL(proxy);
  const socket = connectToProxy(url);
  // The code below, or the user of the socket, reports the error. It may be emitted more than once.
  socket.on('error', () => undefined);
  try {
    using _listener = addAbortListener(signal, () => socket.destroy(signal.reason as Error));
    await once(socket, url.protocol === 'https:' ? 'secureConnect' : 'connect');
    if (url.protocol.startsWith('socks5')) await connectBySocks(socket, target, credentialsOf(url));
    else await connectByHttp(socket, target, credentialsOf(url));
    signal.throwIfAborted();
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function connectToProxy(url: URL): Socket {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const address = { host, port: Number(url.port === '' ? defaultPorts[url.protocol] : url.port) };
  return url.protocol === 'https:'
    ? tlsConnect({ ...address, servername: isIP(host) === 0 ? host : '' })
    : tcpConnect(address);
}

interface ProxyCredentials {
  readonly name: string;
  readonly password: string;
}

function credentialsOf({ username, password }: URL): ProxyCredentials | undefined {
  return username === '' && password === ''
    ? undefined
    : { name: decodeURIComponent(username), password: decodeURIComponent(password) };
}

async function connectByHttp(
  socket: Socket,
  { host, port }: TunnelTarget,
  credentials: ProxyCredentials | undefined,
): Promise<void> {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const login =
    credentials === undefined
      ? undefined
      : Buffer.from(`${credentials.name}:${credentials.password}`).toString('base64');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = httpRequest({
    method: 'CONNECT',
    path: authority,
    headers: { Host: authority, ...(login === undefined ? {} : { 'Proxy-Authorization': `Basic ${login}` }) },
    createConnection: () => socket,
  });
  request.on('error', reject);
  // Node emits this for any answer to CONNECT, also for a refusal.
  request.on('connect', ({ statusCode = 0 }, _socket, head: Buffer) => {
    if (statusCode < 200 || statusCode > 299) reject(new Error(`the proxy answers CONNECT with HTTP ${statusCode}`));
    else resolve();
    if (head.byteLength > 0) socket.unshift(head);
  });
  request.end();
  await promise;
}
