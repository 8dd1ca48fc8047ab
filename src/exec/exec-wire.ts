import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

import type { DirectReading } from './direct-reading.ts';
import type { HandshakeAnswer } from './handshake-failure.ts';
import type { ExecProtocol } from './protocol-order.ts';

/** The channels of an exec over one socket, whatever carries them. */
export interface ExecWire {
  /** Begins, and calls handlers from now on. Called once, at once. */
  start(): void;
  /** Bytes of any kind that came over the socket. */
  readonly bytesRead: number;
  /**
   * Makes the bytes of stdin that begin at `stdinAt` in `bytes` a message: its head, of `messageHeadBytes` at most, goes right before them.
   *
   * @returns the message, a view of `bytes`
   */
  stdinInPlace(bytes: Buffer, stdinAt: number): Buffer;
  /** Sends a message. `done` is called once, when it has left this process or cannot. */
  write(message: Buffer, done: (error: Error | null | undefined) => void): void;
  /** Asks the other end for a sign of life. */
  ping(): void;
  /** Lets go of the socket at once. No handler is called any more. Idempotent. */
  terminate(): void;
}

/** Room for the head of any wire's message. */
export const messageHeadBytes = 15;

/** Who is told what comes. */
export interface WireHandlers {
  /** Some bytes of a message on a channel, one at least, of a channel that may be unknown; `isFirst` where the message begins with them. They are the callee's only until it returns. */
  data(channel: number, bytes: Buffer, isFirst: boolean): void;
  /** Called once: no more can come. `how` is for people. */
  closed(how: string, error: Error | undefined): void;
}

/** A connection that has switched from HTTP; nobody else listens on it. */
export interface UpgradedSocket {
  readonly socket: Socket;
  /** What came right behind the answer. */
  readonly head: Buffer;
  /** Where the socket has one. */
  readonly reading?: DirectReading | undefined;
}

/** One way to ask for a wire. */
export interface WireProtocol {
  readonly name: ExecProtocol;
  /** One attempt. `isSecure`: within TLS. */
  offer(isSecure: boolean): WireOffer;
}

export interface WireOffer {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  /** Whether an answer that does not switch says that the server, or somebody before it, does not know this protocol. */
  isUnknown(answer: HandshakeAnswer): boolean;
  /** What is wrong with the answer that switches: nothing, the sub-protocol, or all of it. */
  problemOf(headers: IncomingHttpHeaders): { readonly of: 'protocol' | 'answer'; readonly detail: string } | undefined;
  open(upgraded: UpgradedSocket, handlers: WireHandlers): ExecWire;
}
