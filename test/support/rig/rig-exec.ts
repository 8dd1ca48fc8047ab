import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';

import { Damaged } from './damage.ts';
import type { ExecPlan, Happening } from './exec-plan.ts';
import { FaultLine } from './fault-line.ts';
import { type ClientInput, type RigWire, wireFor } from './rig-wire.ts';

const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255 } as const;
/** The buffer size of a copy in Go. */
const copyBytes = 32 * 1024;

export type Command = ChildProcessByStdio<Writable, Readable, Readable>;

/** The request of an exec, and its connection. */
export interface ExecRequest {
  readonly podName: string;
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
  /** Resets the TCP connection, also below TLS. */
  readonly reset: () => void;
}

/**
 * One exec, as the Go API server and the kubelet run it, except for its plan. An unreadable message
 * ends the connection without a status. A single loop reads the next frame only when the command
 * has accepted the current one, and answers no ping meanwhile. The loss of the client is a regular
 * end of the command's stdin.
 */
export class RigExec {
  readonly podName: string;
  /** Resolves when the connection is closed and the command has exited. */
  readonly over: Promise<void>;
  /** The number of received stdin messages. */
  messagesToPod = 0;
  /** The number of received pings. */
  pings = 0;
  readonly #request: ExecRequest;
  readonly #plan: ExecPlan;
  readonly #command: Command;
  readonly #wire: RigWire;
  readonly #toPod: FaultLine<Happening>;
  readonly #fromPod: FaultLine<Happening>;
  readonly #incoming: Damaged<Buffer>;
  readonly #outgoing: Damaged<Buffer>;
  #reportsSuccess = false;
  #done = false;

  constructor(request: ExecRequest, plan: ExecPlan, run: () => Command) {
    this.podName = request.podName;
    this.#request = request;
    this.#plan = plan;
    this.#wire = wireFor(request.request, { subprotocol: plan.subprotocol, fragmentBytes: plan.toPod?.fragmentBytes });
    this.#incoming = new Damaged(plan.toPod?.messages);
    this.#outgoing = new Damaged(plan.fromPod?.messages);
    const happen = async (happening: Happening): Promise<void> => await happening(this);
    this.#toPod = new FaultLine(plan.toPod ?? {}, { pass: (bytes) => this.#feed(bytes), happen });
    this.#fromPod = new FaultLine(plan.fromPod ?? {}, {
      pass: (bytes) => this.#sendOutput(channels.stdout, bytes),
      happen,
    });
    const { socket } = request;
    socket.write(this.#wire.answer);
    this.#command = run();
    this.#command.on('error', () => undefined);
    this.#command.stdin.on('error', () => undefined);
    this.over = Promise.all([exited(this.#command), closed(socket), this.#serve()]).then(() => undefined);
  }

  get protocol(): string {
    return this.#wire.protocol;
  }

  /** The number of stdin bytes that have reached the command. */
  get bytesToPod(): number {
    return this.#toPod.passedBytes;
  }

  /** The number of sent stdout bytes. */
  get bytesFromPod(): number {
    return this.#fromPod.passedBytes;
  }

  /** Whether the connection is open and not ended by the server. */
  get isOpen(): boolean {
    return !this.#done && !this.#request.socket.destroyed;
  }

  /** Adds an event after this many more bytes. */
  inBytes(direction: 'toPod' | 'fromPod', bytes: number, happening: Happening): void {
    (direction === 'toPod' ? this.#toPod : this.#fromPod).inBytes(bytes, happening);
  }

  /** Whether an event of its plan is pending. */
  get isStalled(): boolean {
    return this.#toPod.isHeld || this.#fromPod.isHeld;
  }

  reset(): void {
    this.#endConnection(() => this.#request.reset());
  }

  fin(): void {
    this.#endConnection(() => this.#request.socket.end());
  }

  /** Sends a close that the client has not requested. */
  close(code: number): void {
    this.#endConnection(() => this.#request.socket.end(this.#wire.end(code)));
  }

  kill(): void {
    this.#command.kill('SIGKILL');
  }

  endStdin(): void {
    this.#toPod.close();
    this.#command.stdin.end();
  }

  pretendSuccess(): void {
    this.#reportsSuccess = true;
    this.#fromPod.close();
    this.kill();
  }

  /** Ends the connection and the command at once. */
  destroy(): void {
    this.#endConnection(() => this.#request.socket.destroy());
    this.kill();
  }

  async #serve(): Promise<void> {
    await Promise.all([this.#readClient(), this.#runCommand()]);
  }

  async #readClient(): Promise<void> {
    const { socket, head } = this.#request;
    const lost = closed(socket);
    const reading = (async () => {
      if (head.length > 0) await this.#take(head);
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) await this.#take(chunk as Buffer);
    })().catch(() => undefined); // The connection broke, or a frame was too large.
    // A blocked read loop notices no loss, so the socket's own end counts as well.
    await Promise.race([reading, lost]);
    this.endStdin();
    if (!this.#done) socket.destroy();
  }

  async #take(chunk: Buffer): Promise<void> {
    for (const input of this.#wire.push(chunk)) {
      if (this.#done) return;
      await this.#handleInput(input);
    }
  }

  async #handleInput(input: ClientInput): Promise<void> {
    if ('message' in input) {
      await this.#handleMessage(input.message);
      return;
    }
    this.pings += 1;
    if (this.#plan.ignoresPings !== true) await this.#write(input.pong);
  }

  async #handleMessage(message: Buffer): Promise<void> {
    if (message[0] === channels.stdin) {
      this.messagesToPod += 1;
      for (const seen of this.#incoming.push(message)) await this.#toPod.push(seen.subarray(1));
    } else if (message[0] === channels.close && this.protocol.startsWith('v5')) {
      if (message.length !== 2) throw new Error('an invalid CLOSE');
      if (message[1] === channels.stdin) this.#command.stdin.end();
    }
  }

  async #feed(bytes: Buffer): Promise<void> {
    await written(this.#command.stdin, bytes);
  }

  async #runCommand(): Promise<void> {
    await Promise.race([this.#wire.opened.then((answer) => this.#write(answer)), closed(this.#request.socket)]);
    for (const channel of [channels.stdout, channels.stderr, channels.status])
      await this.#send(channel, Buffer.alloc(0));
    for (let left = this.#plan.stderrBytes ?? 0; left > 0; left -= copyBytes)
      await this.#send(channels.stderr, Buffer.alloc(copyBytes, 'noise\n'));
    await Promise.all([this.#copy(this.#command.stdout, this.#fromPod), this.#copyStderr()]);
    await exited(this.#command);
    if (!this.#done) await this.#sendEnd();
  }

  async #copy(output: Readable, line: FaultLine<Happening>): Promise<void> {
    for await (const chunk of output) await line.push(chunk as Buffer);
  }

  async #copyStderr(): Promise<void> {
    for await (const chunk of this.#command.stderr) await this.#sendOutput(channels.stderr, chunk as Buffer);
  }

  async #sendEnd(): Promise<void> {
    const { status = [JSON.stringify(statusOf(this.#command, this.#reportsSuccess))], ending = 'close' } = this.#plan;
    for (const part of status) await this.#send(channels.status, Buffer.from(part));
    // Go closes at once: TCP answers bytes that the client is still sending with a reset.
    if (ending === 'close')
      this.#endConnection(() => this.#request.socket.end(this.#wire.end(1000), () => this.#request.socket.destroy()));
    else if (ending === 'reset') this.reset();
  }

  async #sendOutput(channel: number, bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += copyBytes) {
      const message = bytes.subarray(at, at + copyBytes);
      if (channel !== channels.stdout) await this.#send(channel, message);
      else for (const seen of this.#outgoing.push(message)) await this.#send(channel, seen);
    }
  }

  async #send(channel: number, bytes: Buffer): Promise<void> {
    for (const frame of this.#wire.frames(channel, bytes, this.#plan.fromPod?.fragmentBytes)) await this.#write(frame);
  }

  async #write(frame: Buffer): Promise<void> {
    if (!this.#done) await written(this.#request.socket, frame);
  }

  /** Ends the connection in the given way, and ends the command's stdin. */
  #endConnection(how: () => void): void {
    if (this.#done) return;
    this.#done = true;
    this.#toPod.close();
    this.#fromPod.close();
    this.#command.stdin.end();
    // Further output of the command is read and discarded, so that the command can end.
    how();
  }
}

/** Returns the status that Kubernetes sends for an ended command. */
function statusOf({ exitCode, signalCode }: Command, isSuccess: boolean): object {
  const code = exitCode ?? (signalCode === 'SIGKILL' ? 137 : 143);
  if (isSuccess || code === 0) return { metadata: {}, status: 'Success' };
  const causes = [{ reason: 'ExitCode', message: String(code) }];
  const message = `command terminated with non-zero exit code: exit status ${code}`;
  return { metadata: {}, status: 'Failure', reason: 'NonZeroExitCode', message, details: { causes } };
}

async function exited(command: Command): Promise<void> {
  if (command.pid === undefined || command.exitCode !== null || command.signalCode !== null) return;
  await once(command, 'exit');
}

/** Waits until the bytes are written, as Go does. */
async function written(stream: Writable, bytes: Buffer): Promise<void> {
  if (stream.writable) await new Promise<void>((resolve) => stream.write(bytes, () => resolve()));
}

async function closed(stream: Socket): Promise<void> {
  if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', () => resolve()));
}
