/** The channels of a Kubernetes exec: the first byte of each message says which one it is for. */
export const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;

/**
 * The most bytes of stdin in one message: a whole frame of the agent's (256 KiB of payload and its headers). Far below the server's cap of 32 MiB,
 * above which it closes without a status.
 */
export const maxStdinBytes: number = 256 * 1024 + 64;

/** One message from the server. The payload is a view of the message, not a copy. */
export interface ChannelMessage {
  readonly channel: number;
  readonly payload: Buffer;
}

/** `undefined` where the message is empty, which a server must not send. */
export function decodeMessage(message: Buffer): ChannelMessage | undefined {
  const channel = message[0];
  return channel === undefined ? undefined : { channel, payload: message.subarray(1) };
}

/**
 * The messages that carry these bytes to stdin, in order: as few as possible, each with its channel byte, each byte copied once. Nothing for no bytes.
 */
export function encodeStdin(chunks: readonly Uint8Array[]): Buffer[] {
  let remaining = 0;
  for (const chunk of chunks) remaining += chunk.byteLength;
  const messages: Buffer[] = [];
  const reader = new ChunkReader(chunks);
  while (remaining > 0) {
    const size = Math.min(remaining, maxStdinBytes);
    const message = Buffer.allocUnsafe(1 + size);
    message[0] = channels.stdin;
    reader.copyTo(message.subarray(1));
    messages.push(message);
    remaining -= size;
  }
  return messages;
}

/** Reads a list of chunks as if it was one. */
class ChunkReader {
  readonly #chunks: readonly Uint8Array[];
  #index = 0;
  #offset = 0;

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks;
  }

  /** Fills the target; the chunks must have that much left. */
  copyTo(target: Uint8Array): void {
    let written = 0;
    while (written < target.byteLength) {
      const chunk = this.#chunks[this.#index];
      if (chunk === undefined) throw new RangeError('the chunks have fewer bytes than the target');
      const part = chunk.subarray(this.#offset, this.#offset + target.byteLength - written);
      target.set(part, written);
      written += part.byteLength;
      this.#offset += part.byteLength;
      if (this.#offset === chunk.byteLength) {
        this.#index += 1;
        this.#offset = 0;
      }
    }
  }
}
