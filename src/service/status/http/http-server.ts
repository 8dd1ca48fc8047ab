import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { type AddressInfo, isIPv6, type Socket } from 'node:net';

import type { Logger } from '../../../index.ts';
import { errorReply, HttpError } from './http-error.ts';
import { defaultLimits, type HttpLimits } from './http-limits.ts';
import type { Authorize, Reply, Route } from './request.ts';
import { RequestHandler } from './request-handler.ts';
import { fixedHeaders, sendReply } from './send-reply.ts';

export interface HttpServerOptions {
  /** The address to listen on. */
  readonly host: string;
  /** The port to listen on; 0 for any that is free. */
  readonly port: number;
  readonly routes: readonly Route[];
  /** Decides about guarded routes. @defaultValue every request is allowed */
  readonly authorize?: Authorize | undefined;
  /** @defaultValue `defaultLimits` */
  readonly limits?: Partial<HttpLimits> | undefined;
  readonly logger: Pick<Logger, 'warn'>;
}

export interface CloseOptions {
  /**
   * How long responses that are under way may take, in milliseconds. Streams end at once.
   *
   * @defaultValue 5,000
   */
  readonly graceMs?: number | undefined;
}

/** An HTTP server of the service: read-only, with bounded use of memory, connections and time. */
export class HttpServer implements AsyncDisposable {
  /** The address of the server, without a slash at its end. */
  readonly url: string;
  readonly #server: Server;
  readonly #underWay: UnderWay;
  #closed: Promise<void> | undefined;

  /** Resolves when the server listens. Rejects with the system's error if it cannot. */
  static async start(options: HttpServerOptions): Promise<HttpServer> {
    const limits = { ...defaultLimits, ...options.limits };
    const underWay: UnderWay = { requests: new Set(), isClosing: false };
    const server = createServer({
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: limits.checkEveryMs,
      maxHeaderSize: limits.maxHeaderBytes,
      // Finds clients that have disappeared while a stream is silent.
      keepAlive: true,
      keepAliveInitialDelay: limits.stallMs,
    });
    server.maxConnections = limits.maxConnections;
    server.maxRequestsPerSocket = limits.maxRequestsPerConnection;
    server.setTimeout(limits.stallMs);
    server.on('request', responder(options, limits, underWay));
    server.on('clientError', refuse);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject).listen(options.port, options.host, resolve);
    await promise;
    server.off('error', reject).on('error', (error) => options.logger.warn('the HTTP server has failed', { error }));
    return new HttpServer(server, underWay);
  }

  private constructor(server: Server, underWay: UnderWay) {
    this.#server = server;
    this.#underWay = underWay;
    const { address, port } = server.address() as AddressInfo;
    this.url = `http://${isIPv6(address) ? `[${address}]` : address}:${port}`;
  }

  /**
   * Accepts no more connections, ends streams, and waits for other responses within the time. Then
   * closes all connections. Idempotent.
   */
  async close({ graceMs = 5_000 }: CloseOptions = {}): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(graceMs: number): Promise<void> {
    this.#underWay.isClosing = true;
    for (const request of this.#underWay.requests) request.abort(new Error('the server closes'));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    const timer = setTimeout(() => this.#server.closeAllConnections(), graceMs);
    await promise;
    clearTimeout(timer);
  }
}

/** The requests without a complete response. */
interface UnderWay {
  /** Ends the streams of a request. */
  readonly requests: Set<AbortController>;
  isClosing: boolean;
}

function responder(
  { routes, authorize = async () => {}, logger }: HttpServerOptions,
  limits: HttpLimits,
  underWay: UnderWay,
): (request: IncomingMessage, response: ServerResponse) => void {
  const onError = (error: unknown, path: string): void => logger.warn('a request has failed', { path, error });
  const handler = new RequestHandler({ routes, authorize, limits, onError });
  return (request, response) => {
    const [gone, streaming] = [new AbortController(), new AbortController()];
    underWay.requests.add(streaming);
    response.once('close', () => {
      underWay.requests.delete(streaming);
      if (!response.writableFinished) {
        gone.abort();
        streaming.abort();
      }
      if (underWay.isClosing) request.socket.destroySoon();
    });
    const send = async (reply: Reply): Promise<void> => {
      if (underWay.isClosing) response.setHeader('Connection', 'close');
      await sendReply(request, response, reply, { limits, signal: streaming.signal });
    };
    handler.answer(request, gone.signal, send).catch((error: unknown) => {
      if (!streaming.signal.aborted) onError(error, pathOf(request));
      // The response has begun. Without its end the client notices that it is incomplete.
      response.destroy();
    });
  };
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '/';
}

/** Answers what is not a request, and closes its connection. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  // The bytes may arrive amid a response, which a second one must not interrupt.
  if (!socket.writable || socket.bytesWritten > 0 || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const { status, content } = errorReply(refusal(error));
  const body = 'json' in content ? JSON.stringify(content.json) : '';
  const headers = Object.entries({
    ...fixedHeaders,
    Connection: 'close',
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${headers.join('')}\r\n${body}`, () =>
    socket.destroy(),
  );
}

function refusal({ code }: NodeJS.ErrnoException): HttpError {
  if (code === 'HPE_HEADER_OVERFLOW') return new HttpError('KW_HTTP_HEADERS_TOO_LARGE', 'The headers are too large.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new HttpError('KW_HTTP_REQUEST_TIMEOUT', 'The request is too slow.');
  return new HttpError('KW_HTTP_BAD_REQUEST', 'The request is not HTTP/1.1.');
}
