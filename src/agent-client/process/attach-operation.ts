import { ClosedError } from '../../errors/caller.ts';
import { ProtocolViolationError } from '../../errors/connection.ts';
import type { ProcessFacts } from '../../errors/process.ts';
import type { ProcessPosition } from '../../runtime/process.ts';
import { AgentOperation, type OperationContext } from '../session/agent-operation.ts';
import { type AgentFailure, type LostConnection, processFailure } from '../wire/agent-error.ts';
import { encodeControl, type Fields } from '../wire/control.ts';
import {
  type ControlType,
  type DataFrame,
  type EndFrame,
  FrameType,
  type StreamId,
  type WindowFrame,
} from '../wire/frame.ts';
import type { Attachment, AttachOpened, AttachSinks, OutputOffsets, StdinTurn } from './attachment.ts';
import { type OutputSink, OutputStream } from './output-stream.ts';
import { type AgentProcessResult, readProcessResult } from './process-result.ts';
import { StdinLine } from './stdin-line.ts';

export interface AttachSettings extends OperationContext {
  readonly process: ProcessFacts;
  readonly sinks: AttachSinks;
  /** The protocol version that both ends speak. */
  readonly protocol: number;
  readonly output: boolean;
  /** The window of each output stream. */
  readonly windowBytes: number;
}

/**
 * The host's side of `attach`: delivers output to sinks, sends stdin within the agent's window, and
 * receives the result. The loss of an attachment does not affect the command.
 */
export class AttachOperation extends AgentOperation implements Attachment {
  readonly #settings: AttachSettings;
  readonly #result = Promise.withResolvers<AgentProcessResult>();
  #facts: AttachOpened | undefined;
  #stdout: OutputStream | undefined;
  #stderr: OutputStream | undefined;
  #stdin: StdinLine | undefined;
  #failing = false;

  constructor(settings: AttachSettings) {
    super(settings);
    this.#settings = settings;
    this.#result.promise.catch(() => undefined);
  }

  get protocol(): number {
    return this.#settings.protocol;
  }

  get facts(): AttachOpened {
    if (this.#facts === undefined) throw new Error('the attachment was not opened');
    return this.#facts;
  }

  get result(): Promise<AgentProcessResult> {
    return this.#result.promise;
  }

  get position(): ProcessPosition {
    return { stdoutBytes: this.#stdout?.position ?? 0, stderrBytes: this.#stderr?.position ?? 0 };
  }

  get stdinAcknowledged(): number {
    return this.#stdin?.acknowledged ?? 0;
  }

  get stdinSent(): number {
    return this.#stdin?.sent ?? 0;
  }

  async sendStdin(chunk: Uint8Array): Promise<void> {
    await this.#stdinLine.send(chunk);
  }

  async endStdin(): Promise<void> {
    await this.#stdinLine.end();
  }

  stop(graceMs: number): void {
    this.#sendControl(FrameType.STOP, { graceMs });
  }

  acknowledgeDurable({ stdoutBytes, stderrBytes }: ProcessPosition): void {
    this.#stdout?.stored(stdoutBytes);
    this.#stderr?.stored(stderrBytes);
  }

  async detach(): Promise<void> {
    await Promise.all([this.cancel(), this.#fail(new ClosedError('the attachment'))]);
  }

  override data(frame: DataFrame): void {
    this.#outputOf(frame).data(frame);
  }

  override end(frame: EndFrame): void {
    this.#outputOf(frame).end(frame);
  }

  override progress(fields: Fields): void {
    if (this.#failing) return;
    if (fields.has('stdin')) this.#onOwner(fields.object('stdin'));
    if (fields.has('diskFull')) this.#settings.sinks.diskFull?.(fields.boolean('diskFull'));
  }

  override window(frame: WindowFrame): void {
    if (frame.stream !== 0 || this.#stdin === undefined) super.window(frame);
    this.#stdin?.update(frame);
  }

  protected override onOpened(fields: Fields): void {
    const facts = readOpened(fields);
    this.#facts = facts;
    if (facts.stdin !== undefined) this.#takeStdin(facts.stdin);
    if (!this.#settings.output) return;
    this.#stdout = this.#outputStream(1, facts.stdout.from, this.#settings.sinks.stdout);
    this.#stderr = this.#outputStream(2, facts.stderr.from, this.#settings.sinks.stderr);
  }

  protected override onResult(fields: Fields): void {
    const result = readProcessResult(fields);
    if (!this.wasOpened || this.#stdout?.hasEnded === false || this.#stderr?.hasEnded === false)
      throw new ProtocolViolationError('RESULT of an attachment before the end of its output');
    // Nothing more is read from the host's stdin while its output is delivered and its result is stored.
    this.#releaseStdin();
    void this.#finish(result);
  }

  protected override onOver(error: AgentFailure | LostConnection | undefined): void {
    if (error !== undefined) void this.#fail(processFailure(error, this.#settings.process));
  }

  get #stdinLine(): StdinLine {
    if (this.#stdin === undefined) throw new Error('the attachment does not feed stdin');
    return this.#stdin;
  }

  /** Takes ownership of stdin from `turn.from` on. */
  #takeStdin(turn: StdinTurn): void {
    this.#releaseStdin();
    this.#stdin = new StdinLine(this.channel, turn.from);
    this.#settings.sinks.stdin?.(this, turn);
  }

  /** Discards unsent bytes and releases stdin. */
  #releaseStdin(): void {
    if (this.#stdin === undefined) return;
    this.#stdin.close();
    this.#settings.sinks.stdin?.(this, undefined);
  }

  #onOwner(stdin: Fields): void {
    if (this.#stdin === undefined) throw new ProtocolViolationError('PROGRESS of stdin in an attachment without it');
    if (stdin.boolean('owner')) this.#takeStdin(readTurn(stdin));
    else this.#releaseStdin();
  }

  #sendControl(type: ControlType, value: Readonly<Record<string, number>>): void {
    this.channel.send({ type, text: encodeControl(value) });
  }

  #outputOf({ stream }: { readonly stream: StreamId }): OutputStream {
    const output = stream === 1 ? this.#stdout : this.#stderr;
    if (stream === 0 || output === undefined)
      throw new ProtocolViolationError(`a frame of stream ${stream} in an attachment without it`);
    return output;
  }

  #outputStream(stream: 1 | 2, from: number, sink: OutputSink | undefined): OutputStream {
    return new OutputStream({
      stream,
      from,
      sink,
      windowBytes: this.#settings.windowBytes,
      send: (frame) => {
        this.channel.send(frame);
      },
      delivered: () => this.#settings.sinks.delivered?.(this),
      failed: (error) => {
        void this.#fail(error);
        if (error instanceof ProtocolViolationError) this.channel.abandon(error);
        else void this.cancel();
      },
    });
  }

  async #finish(result: AgentProcessResult): Promise<void> {
    try {
      await Promise.all([this.#stdout?.delivered(), this.#stderr?.delivered()]);
      this.#result.resolve(result);
    } catch (error) {
      await this.#fail(error);
    }
  }

  async #fail(error: unknown): Promise<void> {
    if (this.#failing) return;
    this.#failing = true;
    this.#stdin?.fail(error);
    await this.#stopDelivery();
    this.#result.reject(error);
  }

  async #stopDelivery(): Promise<void> {
    await Promise.all([this.#stdout?.stop(), this.#stderr?.stop()]);
  }
}

function readOpened(fields: Fields): AttachOpened {
  return {
    stdout: readOffsets(fields.object('stdout')),
    stderr: readOffsets(fields.object('stderr')),
    stdin: fields.optional('stdin', (from, name) => readTurn(from.object(name))),
    ended: fields.boolean('ended'),
    startedAt: new Date(fields.count('startedAt')),
  };
}

function readTurn(fields: Fields): StdinTurn {
  return { from: fields.count('from'), ended: fields.boolean('ended') };
}

function readOffsets(fields: Fields): OutputOffsets {
  return { from: fields.count('from'), first: fields.count('first'), end: fields.count('end') };
}
