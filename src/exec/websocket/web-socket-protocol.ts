import type { IncomingHttpHeaders } from 'node:http';

import WebSocket, { type ClientOptions } from 'ws';

import type { UpgradeHandlers, UpgradeRequest, WireProtocol } from '../exec-wire.ts';
import type { HandshakeAnswer } from '../handshake-failure.ts';
import type { ExecProtocol } from '../protocol-order.ts';
import type { UpgradeTarget } from '../upgrade.ts';
import { WebSocketWire } from './web-socket-wire.ts';

/**
 * The most bytes of one message from the server. `ws` gathers a message in memory before it
 * delivers it. Kubernetes' servers send at most 32 KiB of output at once; a proxy may join their
 * fragments.
 */
export const maxMessageBytes: number = 4 * 1024 * 1024;

/**
 * How long `ws` waits for the server to end the connection after a close frame, which is its last.
 */
const closeTimeoutMs = 500;

/** Options that `@types/ws` does not declare. */
interface UndeclaredOptions {
  readonly closeTimeout: number;
  /** Pongs that may wait behind unsent messages; one more terminates the connection. */
  readonly maxPendingAutoPongs: number;
}

/** WebSocket with one sub-protocol of Kubernetes, offered alone. */
export class WebSocketProtocol implements WireProtocol {
  readonly name: ExecProtocol;

  constructor(name: ExecProtocol) {
    this.name = name;
  }

  request(target: UpgradeTarget, handlers: UpgradeHandlers): UpgradeRequest {
    const websocket = new WebSocket(target.url, [this.name], optionsFor(target));
    // Stays after the first error: destroying the request emits one more.
    const onError = (error: Error): void => handlers.failed(error);
    websocket.on('error', onError);
    websocket.once('unexpected-response', (_request, answer) => handlers.refused(answer));
    websocket.once('upgrade', ({ headers, socket }) => {
      const problem = problemOf(headers, this.name);
      if (problem !== undefined) handlers.mismatched(problem);
      websocket.once('open', () =>
        handlers.switched(socket, (wireHandlers) => {
          websocket.off('error', onError);
          return new WebSocketWire(websocket, socket, wireHandlers);
        }),
      );
    });
    return { destroy: () => websocket.terminate() };
  }

  /** Kubernetes answers 403 without a body to an unknown sub-protocol. Any other 403 has a body. */
  isUnknown({ status, body }: HandshakeAnswer): boolean {
    return status === 403 && body === '';
  }
}

function optionsFor(target: UpgradeTarget): ClientOptions & UndeclaredOptions {
  return {
    headers: { ...target.headers },
    // The type is that of `net.createConnection`; `ws` passes it to `node:http`.
    createConnection: target.connector() as unknown as ClientOptions['createConnection'],
    followRedirects: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    // Exec data is binary, and texts are dropped.
    skipUTF8Validation: true,
    closeTimeout: closeTimeoutMs,
    maxPendingAutoPongs: 1_000,
    ...(target.isSecure ? { generateMask: zeroMask } : {}),
  };
}

/**
 * Returns why the selected sub-protocol is not the offered one. `ws` checks the rest of the answer.
 */
function problemOf(headers: IncomingHttpHeaders, protocol: string): string | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return undefined;
  const picked = headers['sec-websocket-protocol'];
  if (picked === undefined || picked === '') return 'the server selected no sub-protocol';
  return picked === protocol ? undefined : 'the server selected a sub-protocol that it was not offered';
}

/**
 * Masks prevent a page's script from sending bytes that a cache on the way takes for HTTP. Within
 * TLS nothing on the way can read them (ADR 8). `ws` does not apply a mask of zeros.
 */
function zeroMask(mask: Buffer): void {
  mask.fill(0);
}
