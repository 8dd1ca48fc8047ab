import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';

import { KubeConfig } from '@kubernetes/client-node';

import type { ExecEndpoint } from '../../src/exec/exec-endpoint.ts';
import { ExecPeer } from './exec-peer.ts';

/** Answers one request. An error that it throws becomes a 500. */
export type RestHandler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/**
 * An API server with scripted behaviour, mainly faults: real HTTP and real WebSocket frames, no
 * Kubernetes.
 */
export class ScriptedApiServer {
  /** `METHOD path?query` of each request, in order. */
  readonly requests: string[] = [];
  /** The headers of each request, in order. */
  readonly headers: IncomingMessage['headers'][] = [];
  rest: RestHandler = (_request, response) => response.writeHead(501).end();
  exec: (peer: ExecPeer) => void = (peer) => void peer.accept();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  readonly #scheme: 'http' | 'https';

  private constructor(server: Server, scheme: 'http' | 'https') {
    this.#server = server;
    this.#scheme = scheme;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.#record(request);
      this.exec(new ExecPeer(request, socket, head));
    });
  }

  /** Starts a server, with TLS if a certificate is given. */
  static async start(tls?: TlsOptions): Promise<ScriptedApiServer> {
    const server = tls === undefined ? createServer() : createTlsServer(tls);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedApiServer(server, tls === undefined ? 'http' : 'https');
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `${this.#scheme}://127.0.0.1:${String(port)}`;
  }

  /** The number of open connections. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Returns a kubeconfig for this server. */
  kubeConfig(user?: Readonly<Record<string, unknown>>, path = ''): KubeConfig {
    return kubeConfigFor(`${this.url}${path}`, user);
  }

  /** Returns the endpoint of an exec on this server. */
  execEndpoint(): ExecEndpoint {
    const url = `${this.url.replace('http', 'ws')}/api/v1/namespaces/ci/pods/p/exec?command=cat&container=main&stdin=true&stdout=true&stderr=true`;
    return { url, headers: { Authorization: 'Bearer secret' }, tls: {} };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #record(request: IncomingMessage): void {
    this.requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    this.headers.push(request.headers);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#record(request);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
      this.rest(request, response, Buffer.concat(chunks).toString());
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  }
}

/** Returns a kubeconfig for a test server. */
export function kubeConfigFor(
  server: string,
  user: Readonly<Record<string, unknown>> = { token: 'secret' },
): KubeConfig {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromOptions({
    clusters: [{ name: 'scripted', server, skipTLSVerify: true }],
    users: [{ name: 'user', ...user }],
    contexts: [{ name: 'here', cluster: 'scripted', user: 'user', namespace: 'ci' }],
    currentContext: 'here',
  });
  return kubeConfig;
}

/** Answers with JSON. */
export function answerJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Returns a `Status` of Kubernetes. */
export function failure(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}
