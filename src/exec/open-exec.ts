import { addAbortListener } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import { KubernetesWorkerError } from '../errors/base.ts';
import { InvalidSpecError } from '../errors/caller.ts';
import { ExecHandshakeFailedError, UnsupportedSubprotocolError } from '../errors/connection.ts';
import { systemClock } from '../internal/system-clock.ts';
import { Timer } from '../internal/timer.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import type { ApiObserver } from '../telemetry/cluster-metrics.ts';
import { ExecConnection } from './exec-connection.ts';
import type { ExecEndpoint } from './exec-endpoint.ts';
import type { OpenWire, UpgradeRequest, WireProtocol } from './exec-wire.ts';
import { handshakeError, handshakeFailure } from './handshake-failure.ts';
import { MessageBuffers } from './message-buffers.ts';
import { type ExecProtocol, execProtocols, ProtocolOrder } from './protocol-order.ts';
import { spdyProtocol } from './spdy/spdy-protocol.ts';
import { messageBufferBytes } from './stdin-frames.ts';
import { upgradeTargetOf } from './upgrade.ts';
import { WebSocketProtocol } from './websocket/web-socket-protocol.ts';

/** Options of `openExec`. The signal covers only the opening: `close()` ends an open connection. */
export interface OpenExecOptions extends AbortOptions {
  /**
   * The protocols to try, each in a request of its own: a server that supports v5 selects it
   * whatever its position in an offer. The results of attempts change the order.
   *
   * @defaultValue v4 and v5, over WebSocket
   */
  readonly protocols?: ProtocolOrder | undefined;
  /** The limit for connection, TLS and answer together. @defaultValue 30_000 */
  readonly handshakeTimeoutMs?: number | undefined;
  /** @defaultValue 10_000 */
  readonly pingIntervalMs?: number | undefined;
  /** The silence after which a connection is dead, whatever TCP reports. @defaultValue 60_000 */
  readonly deadAfterMs?: number | undefined;
  /** Buffers shared with other connections. @defaultValue its own */
  readonly buffers?: MessageBuffers | undefined;
  /** @defaultValue the system's */
  readonly clock?: Clock | undefined;
  /** Receives each attempt as a request to the API server. @defaultValue nothing receives them */
  readonly observe?: ApiObserver | undefined;
}

const maxBodyBytes = 64 * 1024;
const tcpKeepAliveMs = 30_000;
const switchingProtocols = 101;

/**
 * Opens an exec. Rejects with the reason of the signal if it aborts. A rejected call leaves no
 * resource behind.
 *
 * @throws UnauthorizedError - 401: retry with an endpoint that has fresh credentials
 * @throws ForbiddenError - 403: the verbs create and get on pods/exec are required
 * @throws TooManyRequestsError - 429
 * @throws UnsupportedSubprotocolError - the server supports none of the protocols
 * @throws ExecHandshakeFailedError - any other refusal, or no answer; `retryable` if the container
 * or the server is not up yet
 */
export async function openExec(endpoint: ExecEndpoint, options: OpenExecOptions = {}): Promise<ExecConnection> {
  options.signal?.throwIfAborted();
  const order = options.protocols ?? new ProtocolOrder(execProtocols.slice(1));
  const { names } = order;
  if (names.length === 0) throw new InvalidSpecError('protocols', 'must name at least one');
  let refusal: unknown;
  for (const name of names) {
    try {
      return await new Handshake(endpoint, wireProtocolOf(name), { ...options, protocols: order }).result;
    } catch (error) {
      if (!(error instanceof UnsupportedSubprotocolError)) throw error;
      refusal = error;
    }
  }
  // SPDY was the last attempt, so its refusal is the result.
  if (names.at(-1) === spdyProtocol.name && refusal instanceof Error && refusal.cause instanceof KubernetesWorkerError)
    throw refusal.cause;
  const detail = refusal instanceof Error ? refusal.message : String(refusal);
  throw new UnsupportedSubprotocolError(names, detail, { cause: refusal });
}

type HandshakeOptions = OpenExecOptions & { readonly protocols: ProtocolOrder };

/**
 * One attempt. It settles once, and then releases its timer, its listener and, unless it succeeded,
 * its socket.
 */
class Handshake {
  readonly result: Promise<ExecConnection>;
  readonly #endpoint: ExecEndpoint;
  readonly #protocol: WireProtocol;
  readonly #options: HandshakeOptions;
  readonly #settled: PromiseWithResolvers<ExecConnection> = Promise.withResolvers<ExecConnection>();
  readonly #aborted = new AbortController();
  readonly #startedAt = performance.now();
  #request: UpgradeRequest | undefined;

  constructor(endpoint: ExecEndpoint, protocol: WireProtocol, options: HandshakeOptions) {
    this.#endpoint = endpoint;
    this.#protocol = protocol;
    this.#options = options;
    this.result = this.#run();
  }

  async #run(): Promise<ExecConnection> {
    const { signal, protocols, handshakeTimeoutMs = 30_000 } = this.#options;
    const { promise, reject } = this.#settled;
    const timer = new Timer(handshakeTimeoutMs, () => {
      this.#observe('none');
      protocols.doubt(this.#protocol.name);
      reject(timedOut(handshakeTimeoutMs));
    });
    const listener = signal === undefined ? undefined : addAbortListener(signal, () => reject(signal.reason));
    try {
      this.#connect();
      return await promise;
    } catch (error) {
      this.#abort();
      throw error;
    } finally {
      timer.clear();
      listener?.[Symbol.dispose]();
    }
  }

  #connect(): void {
    const { reject, resolve } = this.#settled;
    const { name } = this.#protocol;
    try {
      this.#request = this.#protocol.request(upgradeTargetOf(this.#endpoint, this.#aborted.signal), {
        switched: (socket, open) => {
          this.#observe(switchingProtocols);
          resolve(this.#connection(socket, open));
        },
        mismatched: (detail) => {
          this.#observe(switchingProtocols);
          reject(new UnsupportedSubprotocolError([name], detail));
        },
        refused: (answer) => {
          this.#observe(answer.statusCode ?? 'none');
          this.#readAnswer(answer);
        },
        failed: (error) => {
          this.#observe('none');
          reject(handshakeError(error));
        },
      });
    } catch (error) {
      throw handshakeError(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #observe(status: number | 'none'): void {
    // As RBAC names it. Servers also require the verb get for WebSocket.
    const request = { verb: 'create', resource: 'pods/exec' };
    this.#options.observe?.({ ...request, status, durationMs: performance.now() - this.#startedAt });
  }

  #connection(socket: Socket, open: OpenWire): ExecConnection {
    const { pingIntervalMs = 10_000, deadAfterMs = 60_000, clock = systemClock() } = this.#options;
    const { buffers = new MessageBuffers(messageBufferBytes) } = this.#options;
    socket.setKeepAlive(true, tcpKeepAliveMs);
    const { protocols } = this.#options;
    const { name: protocol } = this.#protocol;
    const responded = (hasData: boolean): void => {
      if (hasData) protocols.prove(protocol);
      else protocols.doubt(protocol);
    };
    return new ExecConnection(open, { protocol, pingIntervalMs, deadAfterMs, clock, buffers, responded });
  }

  #readAnswer(response: IncomingMessage): void {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (): void => {
      const { headers, statusCode } = response;
      const body = Buffer.concat(chunks).toString('utf8', 0, maxBodyBytes);
      const answer = { status: statusCode ?? 0, body, retryAfter: headers['retry-after'], location: headers.location };
      const failure = handshakeFailure(answer, this.#endpoint.url);
      this.#settled.reject(
        this.#protocol.isUnknown(answer)
          ? new UnsupportedSubprotocolError([this.#protocol.name], failure.message, { cause: failure })
          : failure,
      );
    };
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size >= maxBodyBytes) finish();
    });
    // A truncated body still describes the refusal.
    for (const event of ['end', 'error', 'close']) response.on(event, finish);
  }

  #abort(): void {
    this.#aborted.abort();
    this.#request?.destroy();
  }
}

function wireProtocolOf(name: ExecProtocol): WireProtocol {
  return name === spdyProtocol.name ? spdyProtocol : new WebSocketProtocol(name);
}

function timedOut(waitedMs: number): ExecHandshakeFailedError {
  return new ExecHandshakeFailedError(`no answer within ${waitedMs} ms`, { retryable: true });
}
