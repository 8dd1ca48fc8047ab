import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

import type { ByteConnection, ByteConnectionHandlers } from '../../src/agent-client/session/byte-connection.ts';
import { ExecConnectionLostError } from '../../src/errors/connection.ts';

/** The faults of a connection. */
export interface PipeFaults {
  /** The connection is lost after this many bytes from the host. */
  readonly cutAfterSentBytes?: number | undefined;
  /** The connection is lost after this many bytes from the agent. */
  readonly cutAfterReceivedBytes?: number | undefined;
  /** The largest chunk that is passed to the handlers. */
  readonly splitBytes?: number | undefined;
}

/** A connection to a real agent over the pipes of `agent connect STATE`. */
export class PipeConnection implements ByteConnection {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #faults: PipeFaults;
  #handlers: ByteConnectionHandlers | undefined;
  #stalled = false;
  sentBytes = 0;
  receivedBytes = 0;

  constructor(agentPath: string, stateDirectory: string, faults: PipeFaults = {}) {
    this.#faults = faults;
    this.#child = spawn(agentPath, ['connect', stateDirectory], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('error', (error) => {
      this.cut(error.message);
    });
  }

  start(handlers: ByteConnectionHandlers): void {
    this.#handlers = handlers;
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#onData(chunk);
    });
    this.#child.stdout.on('close', () => {
      this.cut('agent connect has ended');
    });
  }

  async write(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#handlers === undefined) throw new Error('the connection has ended');
    const { stdin } = this.#child;
    stdin.cork();
    const written = Promise.withResolvers<void>();
    for (const [index, chunk] of chunks.entries()) {
      this.sentBytes += chunk.byteLength;
      stdin.write(Buffer.from(chunk), (error) => {
        if (error) written.reject(error);
        else if (index === chunks.length - 1) written.resolve();
      });
    }
    stdin.uncork();
    if (this.sentBytes >= (this.#faults.cutAfterSentBytes ?? Number.POSITIVE_INFINITY)) this.cut();
    await written.promise;
  }

  close(): void {
    this.#handlers = undefined;
    this.#child.stdin.destroy();
    this.#child.stdout.destroy();
  }

  /** Ends the connection with an error. */
  cut(detail = 'cut'): void {
    const handlers = this.#handlers;
    this.close();
    handlers?.end(
      new ExecConnectionLostError(detail, { bytesReceived: this.receivedBytes, bytesSent: this.sentBytes }),
    );
  }

  /** Blocks incoming bytes without an error until `resume`. */
  stall(): void {
    this.#stalled = true;
    this.#child.stdout.pause();
  }

  resume(): void {
    this.#stalled = false;
    this.#child.stdout.resume();
  }

  /** Resolves when the process of the connection has exited. */
  async gone(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }

  #onData(chunk: Buffer): void {
    const { splitBytes = chunk.length, cutAfterReceivedBytes = Number.POSITIVE_INFINITY } = this.#faults;
    for (let at = 0; at < chunk.length && this.#handlers !== undefined; at += splitBytes) {
      const part = chunk.subarray(at, Math.min(at + splitBytes, at + cutAfterReceivedBytes - this.receivedBytes));
      this.receivedBytes += part.length;
      if (part.length > 0) this.#handlers.data(part);
      // The bytes are valid only until then.
      part.fill(0xaa);
      if (this.receivedBytes >= cutAfterReceivedBytes) this.cut();
    }
    if (this.#stalled) this.#child.stdout.pause();
  }
}
