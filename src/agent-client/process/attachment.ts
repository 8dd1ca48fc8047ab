import type { ProcessPosition } from '../../runtime/process.ts';
import type { OutputSink } from './output-stream.ts';
import type { AgentProcessResult } from './process-result.ts';

/** Receives the output and the other reports of an attachment. */
export interface AttachSinks {
  readonly stdout?: OutputSink | undefined;
  readonly stderr?: OutputSink | undefined;
  /** Called when a sink has accepted a chunk and the position has advanced. */
  readonly delivered?: ((attachment: Attachment) => void) | undefined;
  /**
   * Called with the offset to send from when the attachment becomes the owner of stdin, and with
   * `undefined` when another attachment takes it over: bytes that were sent and not acknowledged
   * may be lost then. Never called for an attachment without stdin.
   */
  readonly stdin?: ((attachment: Attachment, turn: StdinTurn | undefined) => void) | undefined;
  /**
   * Called when a full disk keeps the agent from storing output or the result, and when it can
   * again.
   */
  readonly diskFull?: ((isFull: boolean) => void) | undefined;
}

/** The state of stdin at the time when an attachment becomes its owner. */
export interface StdinTurn {
  /** The number of stdin bytes that the agent has. */
  readonly from: number;
  /** Whether the agent has received the end of stdin. */
  readonly ended: boolean;
}

/** The offsets of one output stream. */
export interface OutputOffsets {
  /** The offset at which delivery begins: the requested one, or `first`. */
  readonly from: number;
  /** The offset of the first byte that the agent still keeps. */
  readonly first: number;
  /** The offset behind the last byte so far. */
  readonly end: number;
}

/** The state of the process when the agent opens the attachment. */
export interface AttachOpened {
  readonly stdout: OutputOffsets;
  readonly stderr: OutputOffsets;
  /** The state of stdin; `undefined` if this attachment does not own it. */
  readonly stdin: StdinTurn | undefined;
  /** Whether the process has ended. */
  readonly ended: boolean;
  readonly startedAt: Date;
}

/** A connection to a started process. The loss of an attachment does not affect the command. */
export interface Attachment {
  /** The state of the process when the agent opened the attachment. */
  readonly facts: AttachOpened;
  /** The protocol version that both ends speak. */
  readonly protocol: number;
  /**
   * Resolves when the process has ended and its output was delivered and verified to the end.
   * Rejects when the attachment ends otherwise: with a mapped error of the agent, with the
   * connection's error (attach again, from `position`), with the error of a sink, or with
   * `ClosedError` after `detach`. No output is delivered afterwards. Handling the rejection is
   * optional.
   */
  readonly result: Promise<AgentProcessResult>;
  /** The offsets up to which the sinks have accepted the output. */
  readonly position: ProcessPosition;
  /** The number of stdin bytes that the agent has. */
  readonly stdinAcknowledged: number;
  /** The offset up to which stdin was sent. */
  readonly stdinSent: number;
  /**
   * Sends the next bytes of stdin within the agent's window. Resolves when the connection has taken
   * them; the caller must not change them before. Discards bytes after the command has ended, and
   * while another attachment owns stdin. Rejects with the error that ended the attachment; the next
   * attachment has to send unacknowledged bytes again.
   */
  sendStdin(chunk: Uint8Array): Promise<void>;
  /** Ends the command's stdin. Call it at most once. */
  endStdin(): Promise<void>;
  /** Sends TERM to the process's group, KILL after `graceMs`. Output and result still arrive. */
  stop(graceMs: number): void;
  /**
   * Reports that the host has stored the delivered output below these offsets. The agent may
   * discard it.
   */
  acknowledgeDurable(position: ProcessPosition): void;
  /**
   * Ends the attachment; the command continues. Resolves when delivery has stopped and the agent
   * has acknowledged.
   */
  detach(): Promise<void>;
}
