import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { HandshakeAnswer } from './handshake-failure.ts';
import type { ExecProtocol } from './protocol-order.ts';
import type { UpgradeTarget } from './upgrade.ts';

/** The channels of an exec over one socket, independent of the protocol that carries them. */
export interface ExecWire {
  /** Starts to call the handlers. Called once, in the same turn in which the wire was created. */
  start(): void;
  /** Bytes of any kind that the socket has received. */
  readonly bytesRead: number;
  /**
   * Turns the bytes of stdin that begin at `stdinAt` in `bytes` into a message. Its head, of at
   * most `messageHeadBytes`, goes directly before them.
   *
   * @returns the message, a view of `bytes`
   */
  stdinInPlace(bytes: Buffer, stdinAt: number): Buffer;
  /**
   * Sends a message. Calls `done` once: after the message has left this process, or with an error.
   * The message must not change until then.
   */
  write(message: Buffer, done: (error: Error | null | undefined) => void): void;
  /** Requests a sign of life from the other end. */
  ping(): void;
  /** Destroys the socket. No handler is called afterwards. Idempotent. */
  terminate(): void;
}

/** Room for the head of any wire's message. */
export const messageHeadBytes = 15;

/** Receives what the server sends. */
export interface WireHandlers {
  /**
   * Receives at least one byte of a message on a channel, which may be an unknown one. The bytes are
   * valid only until it returns. Must not throw.
   */
  data(channel: number, bytes: Buffer): void;
  /** Called once, after the last data. `how` describes the end for operators. Must not throw. */
  closed(how: string, error: Error | undefined): void;
}

/**
 * Creates the wire on a connection that has switched protocols. Called in the same turn, if at all.
 */
export type OpenWire = (handlers: WireHandlers) => ExecWire;

/** One protocol that can carry an exec. */
export interface WireProtocol {
  readonly name: ExecProtocol;
  /**
   * Sends one request for the upgrade, and reports its outcome to the handlers.
   *
   * @throws Error - the URL or a header is invalid
   */
  request(target: UpgradeTarget, handlers: UpgradeHandlers): UpgradeRequest;
  /**
   * Returns whether a refusal means that the server, or a proxy before it, does not support this
   * protocol.
   */
  isUnknown(answer: HandshakeAnswer): boolean;
}

/** Receives the outcome of a request for an upgrade. Only the first call counts. */
export interface UpgradeHandlers {
  /** The server has switched to the protocol. */
  switched(socket: Socket, open: OpenWire): void;
  /** The server has switched, but to another protocol or sub-protocol. */
  mismatched(detail: string): void;
  /** The server has answered with plain HTTP. The body is unread. */
  refused(answer: IncomingMessage): void;
  /** The connection or its TLS failed, or the answer is invalid. */
  failed(error: Error): void;
}

export interface UpgradeRequest {
  /** Destroys the request and its connection. Idempotent. */
  destroy(): void;
}
