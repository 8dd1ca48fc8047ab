import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { sleep } from '../../internal/system-clock.ts';
import type { PodRunner } from '../kubelet/pod-runner.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import {
  ApiError,
  badRequest,
  internalError,
  methodNotAllowed,
  noSuchResource,
  unauthorized,
} from '../objects/status.ts';
import type { EmbeddedLogger } from '../options.ts';
import { accessReview } from './access-review.ts';
import type { CertificateSet } from './certificates.ts';
import { discoveryDocument, versionInfo } from './discovery.ts';
import { type ExecEndpoint, refuseUpgradeWith } from './exec-endpoint.ts';
import type { FaultRules, FaultSet } from './faults.ts';
import { makeFaulty } from './faulty-wire.ts';
import { serveLog } from './log-handler.ts';
import { negotiate, readObject, respondError, respondJson } from './representation.ts';
import { parseRequest, type RequestInfo } from './request-info.ts';
import { handleResource } from './resource-handler.ts';
import { serveWatch } from './watch-handler.ts';

const ciphers =
  'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384';

interface ApiServerOptions {
  readonly store: ObjectStore;
  readonly runner: PodRunner;
  readonly exec: ExecEndpoint;
  readonly faults: FaultRules;
  readonly certificates: CertificateSet;
  readonly token: string;
  readonly arch: string;
  readonly logger: EmbeddedLogger;
}

/**
 * The HTTPS server of the cluster, on loopback. It can stop and start again while pods continue to
 * run.
 */
export class ApiServer {
  readonly #options: ApiServerOptions;
  readonly #connections = new Set<Duplex>();
  #server: Server | undefined;

  constructor(options: ApiServerOptions) {
    this.#options = options;
  }

  /** Listens on 127.0.0.1. Resolves with the port. */
  async start(port: number): Promise<number> {
    const { authority, server: identity } = this.#options.certificates;
    const server = createServer({
      key: identity.privateKey,
      cert: identity.certificate,
      ca: authority,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      // The cheapest of the safe ciphers comes first, because bulk data passes through this server.
      ciphers,
      honorCipherOrder: true,
    });
    server.requestTimeout = 0;
    server.on('connection', (socket: Duplex) => this.#track(socket));
    server.on('secureConnection', (socket) => this.#track(socket));
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    server.on('error', (error) => this.#options.logger.error(`API server: ${error.message}`));
    this.#server = server;
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  /** Stops listening and closes every connection. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }

  #track(socket: Duplex): void {
    this.#connections.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#connections.delete(socket));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const info = parseRequest(request.method ?? 'GET', request.url ?? '/');
      this.#authenticate(request);
      const faults = await this.#applyFaults(info);
      if (faults.get('drop')?.direction === 'in') return void response.destroy();
      if (faults.onTheWire) makeFaulty(response, faults);
      await this.#route({ request, response, info, faults });
    } catch (error) {
      this.#respondFailure(response, error);
    }
  }

  #respondFailure(response: ServerResponse, error: unknown): void {
    const known =
      error instanceof ApiError ? error : internalError(error instanceof Error ? error.message : String(error));
    if (!(error instanceof ApiError))
      this.#options.logger.error(
        `request failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    if (response.headersSent) response.destroy();
    else respondError(response, known);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    try {
      const info = parseRequest(request.method ?? 'GET', request.url ?? '/');
      this.#authenticate(request);
      if (info.target?.subresource !== 'exec') throw noSuchResource();
      const faults = await this.#applyFaults(info);
      this.#options.exec.serve({ request, socket, head, info, target: info.target, faults });
    } catch (error) {
      refuseUpgradeWith(socket, error instanceof ApiError ? error : internalError(String(error)));
    }
  }

  /** @throws ApiError 401 without the token and without a certificate of the authority */
  #authenticate(request: IncomingMessage): void {
    const { socket, headers } = request;
    if (socket instanceof TLSSocket && socket.authorized) return;
    const given = Buffer.from(headers.authorization ?? '');
    const wanted = Buffer.from(`Bearer ${this.#options.token}`);
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw unauthorized();
  }

  async #applyFaults(info: RequestInfo): Promise<FaultSet> {
    const faults = this.#options.faults.take(info);
    const pause = faults.get('delay');
    if (pause !== undefined) await sleep(pause.delayMs);
    const status = faults.get('status');
    if (status === undefined) return faults;
    const details = status.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: status.retryAfterSeconds };
    throw new ApiError(
      status.status,
      status.reason ?? defaultReason(status.status),
      status.message ?? 'injected fault',
      details,
    );
  }

  async #route({ request, response, info, faults }: Routed): Promise<void> {
    const { store, runner } = this.#options;
    const { target, query, verb } = info;
    if (target === undefined) return this.#routeOther(request, response, info);
    if (target.subresource === 'exec') throw badRequest('Upgrade request required');
    if (target.subresource === 'log') {
      if (info.method !== 'GET') throw methodNotAllowed();
      return serveLog({ store, runner, target, query, response });
    }
    const form = negotiate(request.headers.accept?.replaceAll(';stream=watch', ''));
    if (verb === 'watch')
      return serveWatch({ store, target, query, form, response, gone: faults.get('gone') !== undefined });
    const { code, body } = await handleResource({ store, info, target, form, message: request });
    respondJson(response, code, body);
  }

  async #routeOther(request: IncomingMessage, response: ServerResponse, info: RequestInfo): Promise<void> {
    if (info.path === '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews') {
      if (info.method !== 'POST') throw methodNotAllowed();
      return respondJson(response, 201, accessReview(await readObject(request, 'SelfSubjectAccessReview')));
    }
    if (/^\/(healthz|livez|readyz)(\/|$)/.test(info.path))
      return void response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end('ok');
    const document =
      info.path === '/version'
        ? versionInfo(this.#options.arch)
        : discoveryDocument(info.path.replace(/(.)\/$/, '$1'), request.headers.host ?? '');
    if (document !== undefined && info.method === 'GET') return respondJson(response, 200, document);
    if (/^\/apis?\//.test(info.path)) throw noSuchResource();
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n');
  }
}

interface Routed {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly info: RequestInfo;
  readonly faults: FaultSet;
}

function defaultReason(status: number): string {
  const reasons: Readonly<Record<number, string>> = {
    400: 'BadRequest',
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'NotFound',
    409: 'Conflict',
    410: 'Expired',
    422: 'Invalid',
    429: 'TooManyRequests',
    500: 'InternalError',
    503: 'ServiceUnavailable',
    504: 'Timeout',
  };
  return reasons[status] ?? 'Unknown';
}
