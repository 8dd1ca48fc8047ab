import type { Readable } from 'node:stream';
import type { WebSocket } from 'ws';
import { Timer } from '../../internal/timer.ts';
import type { ExecProcess, ExecSpec, ProcessEnd } from '../isolation/container-runtime.ts';
import {
  channels,
  decodeMessage,
  type ExecStatus,
  encodeMessage,
  exitStatus,
  failureStatus,
  outputMessages,
} from './channel-codec.ts';
import type { FaultSet } from './faults.ts';

/** Outputs pause while the socket buffers more than this. */
const maxBufferedBytes = 1024 * 1024;
/** The time that a client has to acknowledge the close, in milliseconds. */
const closeTimeoutMs = 10_000;

interface ExecSessionOptions {
  readonly socket: WebSocket;
  readonly version: 4 | 5;
  readonly spec: ExecSpec;
  readonly execId: string;
  readonly faults: FaultSet;
}

/**
 * One connection of an exec: carries the streams of a process on the channels of Kubernetes and
 * ends with the status.
 */
export class ExecSession {
  readonly #options: ExecSessionOptions;
  readonly #paused = new Set<Readable>();
  #process: ExecProcess | undefined;
  #inputLeft: number;
  #outputLeft: number;
  #ending = false;

  constructor(options: ExecSessionOptions) {
    this.#options = options;
    const eof = options.faults.get('early-eof');
    const after = eof?.afterBytes ?? 0;
    this.#inputLeft = eof !== undefined && eof.direction !== 'out' ? after : Number.POSITIVE_INFINITY;
    this.#outputLeft = eof?.direction === 'out' ? after : Number.POSITIVE_INFINITY;
    const { socket } = options;
    socket.on('error', () => undefined);
    this.#open();
    socket.pause();
  }

  /** Connects a process with the client until either of them ends. */
  attach(process: ExecProcess): void {
    const { socket } = this.#options;
    this.#process = process;
    socket.on('message', (data) => this.#receive(data));
    socket.once('close', () => this.#detach());
    process.stdin?.on('error', () => undefined);
    process.stdin?.on('drain', () => socket.resume());
    process.stdin?.once('close', () => socket.resume());
    socket.resume();
    const outputs = [this.#send(channels.stdout, process.stdout), this.#send(channels.stderr, process.stderr)];
    void Promise.all([process.ended, ...outputs]).then(([end]) => this.finish(this.#statusOf(end)));
  }

  /** Sends the status and closes the connection. */
  finish(status: ExecStatus): void {
    const { socket, faults } = this.#options;
    if (this.#ending) return;
    this.#ending = true;
    if (faults.get('lost-status') === undefined)
      socket.send(encodeMessage(channels.status, Buffer.from(JSON.stringify(status))));
    socket.close(1000);
    socket.resume();
    const timer = new Timer(closeTimeoutMs, () => socket.terminate());
    socket.once('close', () => timer.clear());
  }

  /** The real server opens one output channel with an empty message. */
  #open(): void {
    const { socket, spec } = this.#options;
    const channel = spec.stdout ? channels.stdout : spec.stderr ? channels.stderr : channels.status;
    socket.send(encodeMessage(channel, new Uint8Array(0)));
  }

  #receive(data: unknown): void {
    const { socket, version } = this.#options;
    const stdin = this.#process?.stdin;
    const message = Buffer.isBuffer(data) ? decodeMessage(data, version) : { kind: 'ignored' as const };
    switch (message.kind) {
      case 'stdin': {
        const bytes = message.bytes.subarray(0, this.#inputLeft);
        this.#inputLeft -= bytes.length;
        if (stdin === undefined || !stdin.writable) return;
        if (bytes.length > 0 && !stdin.write(bytes)) socket.pause();
        if (this.#inputLeft === 0) stdin.end();
        return;
      }
      case 'close-stdin':
        stdin?.end();
        return;
      case 'resize':
        this.#process?.resize(message.columns, message.rows);
        return;
      case 'violation':
        socket.terminate();
        return;
      case 'ignored':
        return;
      default:
        message satisfies never;
    }
  }

  /** Sends an output to the client. Resolves when the output has ended. */
  #send(channel: number, output: Readable | undefined): Promise<void> {
    if (output === undefined) return Promise.resolve();
    const { socket } = this.#options;
    output.on('error', () => undefined);
    output.on('data', (chunk: Buffer) => {
      const bytes = chunk.subarray(0, this.#outputLeft);
      this.#outputLeft -= bytes.length;
      for (const message of outputMessages(channel, bytes))
        socket.send(message, { binary: true, compress: false }, () => this.#resume());
      if (socket.bufferedAmount <= maxBufferedBytes) return;
      output.pause();
      this.#paused.add(output);
    });
    return new Promise((resolve) => output.once('close', resolve));
  }

  #resume(): void {
    if (this.#paused.size === 0 || this.#options.socket.bufferedAmount > maxBufferedBytes / 2) return;
    for (const output of this.#paused) output.resume();
    this.#paused.clear();
  }

  /**
   * Handles a lost client: closes the process's input and outputs. The process continues to run.
   */
  #detach(): void {
    this.#ending = true;
    this.#process?.stdin?.end();
    this.#process?.stdout?.destroy();
    this.#process?.stderr?.destroy();
  }

  #statusOf(end: ProcessEnd): ExecStatus {
    const { version, spec, execId } = this.#options;
    if (end.kind === 'exited') return exitStatus(end.exitCode, version, spec.command);
    const detail =
      end.message === 'args must not be empty' ? end.message : `unable to start container process: ${end.message}`;
    const message = `error executing command in container: failed to exec in container: failed to start exec "${execId}": OCI runtime exec failed: exec failed: ${detail}: unknown`;
    return failureStatus(version === 5 ? `Internal error occurred: ${message}` : message);
  }
}
