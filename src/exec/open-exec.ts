import { addAbortListener } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import WebSocket from 'ws';

import { InvalidSpecError } from '../errors/caller.ts';
import { ExecHandshakeFailedError, UnsupportedSubprotocolError } from '../errors/connection.ts';
import { systemClock } from '../internal/system-clock.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import { ExecConnection } from './exec-connection.ts';
import type { ExecEndpoint } from './exec-endpoint.ts';
import { handshakeError, handshakeFailure } from './handshake-failure.ts';

/** Options of `openExec`. Its signal covers the opening alone; an open connection is let go by `close()`. */
export interface OpenExecOptions extends AbortOptions {
  /**
   * Sub-protocols to try, each alone and in this order: a server that knows v5 takes it whatever the order in one offer, and v4 is
   * the faster one, because the API server then passes the bytes through unread.
   *
   * @defaultValue `['v4.channel.k8s.io', 'v5.channel.k8s.io']`
   */
  readonly protocols?: readonly string[] | undefined;
  /** The time for connection, TLS and answer together. @defaultValue 30_000 */
  readonly handshakeTimeoutMs?: number | undefined;
  /** @defaultValue 10_000 */
  readonly pingIntervalMs?: number | undefined;
  /** The silence after which a connection is dead, whatever TCP says. @defaultValue 60_000 */
  readonly deadAfterMs?: number | undefined;
  /** @defaultValue the system's */
  readonly clock?: Clock | undefined;
}

const defaultProtocols: readonly string[] = ['v4.channel.k8s.io', 'v5.channel.k8s.io'];
/** One MiB above the most that a Kubernetes server sends in a message. */
const maxMessageBytes = 33 * 1024 * 1024;
const maxBodyBytes = 64 * 1024;
const tcpKeepAliveMs = 30_000;

/**
 * Opens an exec. Rejects with the signal's own reason, and then leaves nothing behind.
 *
 * @throws UnauthorizedError - 401: get an endpoint with fresh credentials, and try again
 * @throws ForbiddenError - 403: the verbs create and get on pods/exec are needed
 * @throws TooManyRequestsError - 429
 * @throws UnsupportedSubprotocolError - the server speaks none of the sub-protocols
 * @throws ExecHandshakeFailedError - any other refusal, or no answer; `retryable` where the container isn't up yet, or the server isn't
 */
export async function openExec(endpoint: ExecEndpoint, options: OpenExecOptions = {}): Promise<ExecConnection> {
  options.signal?.throwIfAborted();
  const protocols = options.protocols ?? defaultProtocols;
  if (protocols.length === 0) throw new InvalidSpecError('protocols', 'must name at least one');
  let refusal: unknown;
  for (const protocol of protocols) {
    try {
      return await new Handshake(endpoint, protocol, options).result;
    } catch (error) {
      if (!(error instanceof UnsupportedSubprotocolError)) throw error;
      refusal = error;
    }
  }
  const detail = refusal instanceof Error ? refusal.message : String(refusal);
  throw new UnsupportedSubprotocolError(protocols, detail, { cause: refusal });
}

/** One attempt: settles once, and lets go of timer, listener and socket in whatever way it does. */
class Handshake {
  readonly result: Promise<ExecConnection>;
  readonly #endpoint: ExecEndpoint;
  readonly #protocol: string;
  readonly #options: OpenExecOptions;
  readonly #settled: PromiseWithResolvers<ExecConnection> = Promise.withResolvers<ExecConnection>();
  #socket: WebSocket | undefined;
  #rawSocket: Socket | undefined;
  #request: ClientRequest | undefined;

  constructor(endpoint: ExecEndpoint, protocol: string, options: OpenExecOptions) {
    this.#endpoint = endpoint;
    this.#protocol = protocol;
    this.#options = options;
    this.result = this.#run();
  }

  async #run(): Promise<ExecConnection> {
    const { signal, handshakeTimeoutMs = 30_000 } = this.#options;
    const { promise, reject } = this.#settled;
    const timer = setTimeout(() => reject(timedOut(handshakeTimeoutMs)), handshakeTimeoutMs);
    const listener = signal === undefined ? undefined : addAbortListener(signal, () => reject(signal.reason));
    try {
      this.#connect();
      return await promise;
    } catch (error) {
      this.#letGo();
      throw error;
    } finally {
      clearTimeout(timer);
      listener?.[Symbol.dispose]();
    }
  }

  #connect(): void {
    const { reject } = this.#settled;
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#endpoint.url, [this.#protocol], clientOptions(this.#endpoint));
    } catch (error) {
      throw handshakeError(error instanceof Error ? error : new Error(String(error)), this.#asked());
    }
    this.#socket = socket;
    socket.on('error', (error) => reject(handshakeError(error, this.#asked())));
    socket.on('upgrade', (response) => {
      this.#rawSocket = response.socket;
      response.socket.setKeepAlive(true, tcpKeepAliveMs);
    });
    socket.on('unexpected-response', (request, response) => {
      this.#request = request;
      this.#readAnswer(response);
    });
    socket.on('open', () => this.#open(socket));
  }

  #open(socket: WebSocket): void {
    const { pingIntervalMs = 10_000, deadAfterMs = 60_000, clock = systemClock() } = this.#options;
    const rawSocket = this.#rawSocket;
    const bytesRead = (): number => rawSocket?.bytesRead ?? 0;
    this.#settled.resolve(new ExecConnection(socket, { pingIntervalMs, deadAfterMs, clock, bytesRead }));
  }

  #readAnswer(response: IncomingMessage): void {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (): void => {
      const { headers, statusCode } = response;
      const body = Buffer.concat(chunks).toString('utf8', 0, maxBodyBytes);
      const answer = { status: statusCode ?? 0, body, retryAfter: headers['retry-after'], location: headers.location };
      this.#settled.reject(handshakeFailure(answer, this.#asked()));
    };
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size >= maxBodyBytes) finish();
    });
    // A body that is cut short says enough.
    for (const event of ['end', 'error', 'close']) response.on(event, finish);
  }

  #letGo(): void {
    this.#request?.destroy();
    this.#socket?.terminate();
  }

  #asked(): { url: string; protocols: readonly string[] } {
    return { url: this.#endpoint.url, protocols: [this.#protocol] };
  }
}

function timedOut(waitedMs: number): ExecHandshakeFailedError {
  return new ExecHandshakeFailedError(`no answer within ${waitedMs} ms`, { retryable: true });
}

function clientOptions({ url, headers, tls, agent }: ExecEndpoint): WebSocket.ClientOptions & { servername?: string } {
  return {
    headers: { ...headers },
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.servername === undefined ? {} : { servername: tls.servername }),
    ...(tls.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: tls.rejectUnauthorized }),
    ...(agent === undefined ? {} : { agent }),
    perMessageDeflate: false,
    ...(url.startsWith('wss:') ? { generateMask: zeroMask } : {}),
    followRedirects: false,
    skipUTF8Validation: true,
    maxPayload: maxMessageBytes,
  };
}

/** Masks keep what a page's script sends from being read as HTTP by a cache on the way. Within TLS nobody on the way reads (ADR 8). */
function zeroMask(mask: Buffer): void {
  mask.fill(0);
}
