import { KubernetesWorkerError } from './base.ts';

/**
 * Identifies the process that an error is about.
 *
 * @public
 */
export interface ProcessFacts {
  /** The handle of the container. */
  readonly handle: string;
  /** The ID of the process. */
  readonly processId: string;
}

/**
 * Offsets in the output of a process.
 *
 * @public
 */
export interface OutputOffsetFacts {
  /** The offset in stdout, in bytes. */
  readonly stdoutBytes: number;
  /** The offset in stderr, in bytes. */
  readonly stderrBytes: number;
}

/**
 * The base class of the errors about a process.
 *
 * @public
 */
export abstract class ProcessError extends KubernetesWorkerError {
  /** The handle of the container. */
  readonly handle: string;
  /** The ID of the process. */
  readonly processId: string;

  constructor(what: string, facts: ProcessFacts, retryable: boolean, options?: ErrorOptions) {
    super(`process ${facts.processId} in container ${facts.handle}: ${what}`, retryable, options);
    this.handle = facts.handle;
    this.processId = facts.processId;
  }
}

/**
 * Thrown by `Process.wait` if its `detachSignal` was aborted. The command continues, and any host
 * attaches to it again.
 *
 * @public
 */
export class ProcessDetachedError extends ProcessError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_PROCESS_DETACHED';
  /**
   * The offsets up to which output was delivered. `AttachOptions.from` accepts them.
   */
  readonly position: OutputOffsetFacts;

  constructor(facts: ProcessFacts, position: OutputOffsetFacts, options?: ErrorOptions) {
    const { stdoutBytes, stderrBytes } = position;
    super(
      `detached after ${stdoutBytes} bytes of stdout and ${stderrBytes} of stderr; the command continues: attach again`,
      facts,
      false,
      options,
    );
    this.position = position;
  }
}

/**
 * Thrown if the container has no such program. The command was not started; its ID may be used
 * again.
 *
 * @public
 */
export class ExecutableNotFoundError extends ProcessError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_EXECUTABLE_NOT_FOUND';
  /** The program as given in `ProcessSpec.path`. */
  readonly executable: string;

  constructor(facts: ProcessFacts, executable: string, options?: ErrorOptions) {
    super(
      `executable ${JSON.stringify(executable)} not found in the container: check the path and PATH`,
      facts,
      false,
      options,
    );
    this.executable = executable;
  }
}

/**
 * Thrown if the kernel cannot execute the program: it is for another architecture, or a script
 * without an interpreter line.
 *
 * @public
 */
export class ExecutableFormatError extends ProcessError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_EXECUTABLE_FORMAT';
  /** The program as given in `ProcessSpec.path`. */
  readonly executable: string;

  constructor(facts: ProcessFacts, executable: string, options?: ErrorOptions) {
    super(
      `cannot execute ${JSON.stringify(executable)}: it is for another architecture, or a script without #!`,
      facts,
      false,
      options,
    );
    this.executable = executable;
  }
}

/**
 * Thrown if the container has no such user or group.
 *
 * @public
 */
export class UserNotFoundError extends ProcessError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_USER_NOT_FOUND';
  /** The user as given in the specification. */
  readonly user: string;

  constructor(facts: ProcessFacts, user: string, options?: ErrorOptions) {
    super(`user or group of ${JSON.stringify(user)} not found in the container`, facts, false, options);
    this.user = user;
  }
}

/**
 * Thrown if the working directory of a command cannot be created or entered.
 *
 * @public
 */
export class WorkingDirectoryError extends ProcessError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_WORKING_DIRECTORY';
  /** The working directory. */
  readonly dir: string;

  constructor(facts: ProcessFacts, dir: string, detail: string, options?: ErrorOptions) {
    super(`cannot create or enter working directory ${JSON.stringify(dir)}: ${detail}`, facts, false, options);
    this.dir = dir;
  }
}

/**
 * Thrown if no process of this ID was ever started in the container.
 *
 * @public
 */
export class ProcessNotFoundError extends ProcessError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_PROCESS_NOT_FOUND';

  constructor(facts: ProcessFacts, options?: ErrorOptions) {
    super('it was never started', facts, false, options);
  }
}

/**
 * Thrown by `Container.run` if its ID was started with another command, and the caller does not keep
 * that process (`RunOptions.onSpecChange`). Nothing was started or changed.
 *
 * @public
 */
export class ProcessSpecChangedError extends ProcessError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_PROCESS_SPEC_CHANGED';

  constructor(facts: ProcessFacts, options?: ErrorOptions) {
    super('it was started with another command: use another ID, or pass onSpecChange: "keep"', facts, false, options);
  }
}

/**
 * Reports that a part of a process's output is no longer kept: a host has confirmed that it stored
 * the part, or so much output followed that only the last part is kept.
 *
 * @public
 */
export class OutputFreedError extends ProcessError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_OUTPUT_FREED';
  /** The affected stream. */
  readonly stream: 'stdout' | 'stderr';
  /** The offset of the first missing byte. */
  readonly fromBytes: number;
  /** The offset of the first byte after the missing part. */
  readonly toBytes: number;

  constructor(facts: ProcessFacts, { stream, fromBytes, toBytes }: FreedOutput, options?: ErrorOptions) {
    super(`bytes ${fromBytes} to ${toBytes} of ${stream} are no longer kept`, facts, false, options);
    this.stream = stream;
    this.fromBytes = fromBytes;
    this.toBytes = toBytes;
  }
}

/**
 * Identifies the missing part of an output.
 *
 * @public
 */
export interface FreedOutput {
  /** The affected stream. */
  readonly stream: 'stdout' | 'stderr';
  /** The offset of the first missing byte. */
  readonly fromBytes: number;
  /** The offset of the first byte after the missing part. */
  readonly toBytes: number;
}

/**
 * Thrown if whether, or how, something ended cannot be determined. The message contains the known
 * facts. The library never guesses the outcome, and never retries after this error.
 *
 * @public
 */
export class OutcomeUnknownError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_OUTCOME_UNKNOWN';
  /** What has the unknown outcome: `process task in container …`, `upload to volume …`. */
  readonly subject: string;

  constructor(subject: string, known: string, options?: ErrorOptions) {
    super(`${subject}: outcome unknown: ${known}`, false, options);
    this.subject = subject;
  }
}
