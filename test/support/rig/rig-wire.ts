import type { IncomingMessage } from 'node:http';

import { SpdyClientParser, type SpdyFrame, spdyAnswer, spdyData, spdyPing, spdyReply } from '../spdy-frames.ts';
import {
  type ClientFrame,
  ClientFrameParser,
  closeFrame,
  offeredBy,
  opcodes,
  serverFrame,
  upgradeAnswer,
} from '../websocket-frames.ts';

/** A message of the client, with the byte of its channel first, or the answer to a ping. */
export type ClientInput = { readonly message: Buffer } | { readonly pong: Buffer };

/** The server's end of the wire of an exec. */
export interface RigWire {
  readonly protocol: string;
  /** The HTTP answer that switches the protocol. */
  readonly answer: string;
  /** Resolves with the answer to the client's streams when the command can start. */
  readonly opened: Promise<Buffer>;
  /** Throws if the client ends the connection or sends invalid bytes. */
  push(chunk: Buffer): ClientInput[];
  /** Encodes a message, in fragments of at most `fragmentBytes` if the wire has fragments. */
  frames(channel: number, bytes: Buffer, fragmentBytes?: number): Buffer[];
  /** Encodes the last frame of the server. */
  end(code: number): Buffer;
}

export interface RigWireOptions {
  /** The selected sub-protocol, whatever is offered. */
  readonly subprotocol?: string | undefined;
  /** The largest fragment of a client's message, as split by a proxy. */
  readonly fragmentBytes?: number | undefined;
}

export function wireFor(request: IncomingMessage, options: RigWireOptions): RigWire {
  return request.headers.upgrade === 'SPDY/3.1' ? new SpdyRigWire() : new WebSocketRigWire(request, options);
}

const maxMessageBytes = 32 * 1024 * 1024;

/** Treats each frame as a message, final or not. One above 32 MiB ends the connection. */
class WebSocketRigWire implements RigWire {
  readonly protocol: string;
  readonly answer: string;
  readonly opened = Promise.resolve(Buffer.alloc(0));
  readonly #parser = new ClientFrameParser(maxMessageBytes);
  readonly #fragmentBytes: number | undefined;

  constructor(request: IncomingMessage, { subprotocol, fragmentBytes }: RigWireOptions) {
    this.protocol = subprotocol ?? pickProtocol(offeredBy(request));
    this.answer = upgradeAnswer(request, this.protocol);
    this.#fragmentBytes = fragmentBytes;
  }

  *#inputs(chunk: Buffer): Generator<ClientInput> {
    for (const whole of this.#parser.push(chunk)) {
      for (const { opcode, payload, isMasked } of refragmented(whole, this.#fragmentBytes)) {
        if (opcode === opcodes.close || !isMasked) throw new Error('the client closed the connection');
        if (opcode === opcodes.ping) yield { pong: serverFrame(opcodes.pong, payload) };
        else if (opcode !== opcodes.pong) yield { message: payload };
      }
    }
  }

  push(chunk: Buffer): ClientInput[] {
    return [...this.#inputs(chunk)];
  }

  frames(channel: number, bytes: Buffer, fragmentBytes?: number): Buffer[] {
    const message = Buffer.concat([Buffer.from([channel]), bytes]);
    const size = fragmentBytes ?? message.length;
    const frames: Buffer[] = [];
    for (let at = 0; at < message.length; at += size)
      frames.push(
        serverFrame(
          at === 0 ? opcodes.binary : opcodes.continuation,
          message.subarray(at, at + size),
          at + size >= message.length,
        ),
      );
    return frames;
  }

  end(code: number): Buffer {
    return closeFrame(code);
  }
}

const channelOf: Readonly<Record<string, number>> = { stdin: 0, stdout: 1, stderr: 2, error: 3 };

/** Identifies streams by their type. The command starts when all of them are open. */
class SpdyRigWire implements RigWire {
  readonly protocol = 'SPDY/3.1';
  readonly answer = spdyAnswer();
  readonly opened: Promise<Buffer>;
  readonly #parser = new SpdyClientParser();
  readonly #channels = new Map<number, number>();
  readonly #allOpen = Promise.withResolvers<Buffer>();

  constructor() {
    this.opened = this.#allOpen.promise;
  }

  push(chunk: Buffer): ClientInput[] {
    return this.#parser.push(chunk).flatMap((frame) => this.#input(frame));
  }

  frames(channel: number, bytes: Buffer): Buffer[] {
    // Go sends nothing to open a channel here.
    return bytes.length === 0 ? [] : [spdyData(this.#streamOf(channel), bytes)];
  }

  end(): Buffer {
    return spdyData(this.#streamOf(channelOf['error']!), Buffer.alloc(0), true);
  }

  #input(frame: SpdyFrame): ClientInput[] {
    if (frame.kind === 'ping') return [{ pong: spdyPing(frame.id) }];
    if (frame.kind === 'data')
      return [{ message: Buffer.concat([Buffer.from([this.#channels.get(frame.stream) ?? 9]), frame.payload]) }];
    if (frame.kind === 'stream') this.#channels.set(frame.stream, channelOf[frame.headers['streamtype'] ?? ''] ?? 9);
    if (this.#channels.size === 4) this.#allOpen.resolve(Buffer.concat([...this.#channels.keys()].map(spdyReply)));
    return [];
  }

  #streamOf(channel: number): number {
    const found = [...this.#channels].find(([, each]) => each === channel);
    if (found === undefined) throw new Error(`no stream for channel ${channel}`);
    return found[0];
  }
}

function pickProtocol(offered: readonly string[]): string {
  return ['v5.channel.k8s.io', 'v4.channel.k8s.io'].find((protocol) => offered.includes(protocol)) ?? '';
}

/** Splits a frame as a proxy does. */
function refragmented(frame: ClientFrame, fragmentBytes = Number.POSITIVE_INFINITY): ClientFrame[] {
  if (frame.payload.length <= fragmentBytes || frame.opcode >= opcodes.close) return [frame];
  const fragments: ClientFrame[] = [];
  for (let at = 0; at < frame.payload.length; at += fragmentBytes)
    fragments.push({
      ...frame,
      opcode: at === 0 ? frame.opcode : opcodes.continuation,
      payload: frame.payload.subarray(at, at + fragmentBytes),
    });
  return fragments;
}
