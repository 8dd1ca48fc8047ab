import type { ProcessPosition } from '../../runtime/process.ts';
import type { OutputSink } from './output-stream.ts';
import type { AgentProcessResult } from './process-result.ts';

/** Where the output goes, and what is called when the agent reports something else. */
export interface AttachSinks {
  readonly stdout?: OutputSink | undefined;
  readonly stderr?: OutputSink | undefined;
  /** Called when a sink has taken more, and the position has moved. */
  readonly delivered?: ((attachment: Attachment) => void) | undefined;
  /**
   * Called when the attachment gets stdin to feed, with the place from which to send, and with `undefined` when another attachment has taken it: what was sent and not
   * acknowledged may be lost then. Not called of an attachment that does not want stdin.
   */
  readonly stdin?: ((attachment: Attachment, turn: StdinTurn | undefined) => void) | undefined;
  /** Called when the agent cannot store output or the result for lack of space, and when it can again. */
  readonly diskFull?: ((isFull: boolean) => void) | undefined;
}

/** From where an attachment feeds stdin. */
export interface StdinTurn {
  /** How many bytes of stdin the agent has. */
  readonly from: number;
  /** Whether it has the end too. */
  readonly ended: boolean;
}

/** The offsets of one output stream. */
export interface OutputOffsets {
  /** Where delivery begins: where it was asked to, or at `first`. */
  readonly from: number;
  /** The first byte that is still kept. */
  readonly first: number;
  /** How much there is so far. */
  readonly end: number;
}

/** What is known of the process when it is attached to. */
export interface AttachOpened {
  readonly stdout: OutputOffsets;
  readonly stderr: OutputOffsets;
  /** How many bytes of stdin the agent has; `undefined` where this attachment does not feed it. */
  readonly stdin: StdinTurn | undefined;
  /** Whether the process has ended already. */
  readonly ended: boolean;
  readonly startedAt: Date;
}

/** A connection to a process that was started; losing it does not touch the command. */
export interface Attachment {
  /** The offsets from which it goes on. */
  readonly facts: AttachOpened;
  /** The protocol version that both ends speak. */
  readonly protocol: number;
  /**
   * Resolves when the process has ended and its output was delivered, to its proven end. Rejects when the attachment ends otherwise: with a mapped error of the
   * agent, with the connection's own (attach again, from `position`), with what a sink failed with, or with `ClosedError` after `detach`. Nothing is
   * delivered after it. May be left alone.
   */
  readonly result: Promise<AgentProcessResult>;
  /** Up to where the sinks have taken the output. */
  readonly position: ProcessPosition;
  /** The number of stdin bytes that the agent has. */
  readonly stdinAcknowledged: number;
  /** The offset up to which stdin was sent. */
  readonly stdinSent: number;
  /**
   * Sends the next bytes of stdin; resolves when they were handed to the connection, which waits for the agent's window. What is sent after the command has
   * ended, or while another attachment has stdin, is dropped. Rejects with what the attachment ended with: what is not acknowledged has to be sent again on the next one. The bytes must not change before.
   */
  sendStdin(chunk: Uint8Array): Promise<void>;
  /** The command's stdin ends here. Once. */
  endStdin(): Promise<void>;
  /** TERM to the process's group, KILL after `graceMs`; output and result still come. */
  stop(graceMs: number): void;
  /** The host has stored the output below these offsets, as far as it was delivered: the agent may forget it. */
  acknowledgeDurable(position: ProcessPosition): void;
  /** Ends the attachment; the command goes on. Resolves when nothing is delivered any more and the agent knows. */
  detach(): Promise<void>;
}
