import { KubernetesWorkerError } from './base.ts';

/**
 * Which process an error is about.
 *
 * @public
 */
export interface ProcessFacts {
  /** The container's handle. */
  readonly handle: string;
  readonly processId: string;
}

/**
 * What the errors about a process have in common.
 *
 * @public
 */
export abstract class ProcessError extends KubernetesWorkerError {
  readonly handle: string;
  readonly processId: string;

  constructor(what: string, facts: ProcessFacts, retryable: boolean, options?: ErrorOptions) {
    super(`process ${facts.processId} in container ${facts.handle}: ${what}`, retryable, options);
    this.handle = facts.handle;
    this.processId = facts.processId;
  }
}

/**
 * The command's program is not in the container. It was not started; the id may be used again.
 *
 * @public
 */
export class ExecutableNotFoundError extends ProcessError {
  override readonly code = 'KW_ERR_EXECUTABLE_NOT_FOUND';
  /** What was looked for: `args[0]` as given. */
  readonly executable: string;

  constructor(facts: ProcessFacts, executable: string, options?: ErrorOptions) {
    super(`executable ${JSON.stringify(executable)} not found`, facts, false, options);
    this.executable = executable;
  }
}

/**
 * The program is there, but the kernel cannot execute it: wrong architecture, or a script without an interpreter line.
 *
 * @public
 */
export class ExecutableFormatError extends ProcessError {
  override readonly code = 'KW_ERR_EXECUTABLE_FORMAT';
  readonly executable: string;

  constructor(facts: ProcessFacts, executable: string, options?: ErrorOptions) {
    super(`${JSON.stringify(executable)} cannot be executed: wrong format`, facts, false, options);
    this.executable = executable;
  }
}

/**
 * The container has no such user or group.
 *
 * @public
 */
export class UserNotFoundError extends ProcessError {
  override readonly code = 'KW_ERR_USER_NOT_FOUND';
  readonly user: string;

  constructor(facts: ProcessFacts, user: string, options?: ErrorOptions) {
    super(`user ${JSON.stringify(user)} not found`, facts, false, options);
    this.user = user;
  }
}

/**
 * The command's folder cannot be made or entered.
 *
 * @public
 */
export class WorkingDirectoryError extends ProcessError {
  override readonly code = 'KW_ERR_WORKING_DIRECTORY';
  readonly dir: string;

  constructor(facts: ProcessFacts, dir: string, detail: string, options?: ErrorOptions) {
    super(`working directory ${JSON.stringify(dir)}: ${detail}`, facts, false, options);
    this.dir = dir;
  }
}

/**
 * No process of this id was ever started in the container.
 *
 * @public
 */
export class ProcessNotFoundError extends ProcessError {
  override readonly code = 'KW_ERR_PROCESS_NOT_FOUND';

  constructor(facts: ProcessFacts, options?: ErrorOptions) {
    super('not found', facts, false, options);
  }
}

/**
 * A part of a process's output is not kept any more: a host has said that it has stored it, or so much came since that nothing but the last part is kept.
 *
 * @public
 */
export class OutputFreedError extends ProcessError {
  override readonly code = 'KW_ERR_OUTPUT_FREED';
  readonly stream: 'stdout' | 'stderr';
  /** The first byte that is missing. */
  readonly fromBytes: number;
  /** The first that is there. */
  readonly toBytes: number;

  constructor(facts: ProcessFacts, { stream, fromBytes, toBytes }: FreedOutput, options?: ErrorOptions) {
    super(`${stream} from byte ${fromBytes} to ${toBytes} is not kept any more`, facts, false, options);
    this.stream = stream;
    this.fromBytes = fromBytes;
    this.toBytes = toBytes;
  }
}

/**
 * Which part of an output is missing.
 *
 * @public
 */
export interface FreedOutput {
  readonly stream: 'stdout' | 'stderr';
  readonly fromBytes: number;
  readonly toBytes: number;
}

/**
 * It cannot be told whether, or how, something ended; the message says what is known. Never a guess, and never retried by the library.
 *
 * @public
 */
export class OutcomeUnknownError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_OUTCOME_UNKNOWN';
  /** What it is about: `process task in container …`, `upload to volume …`. */
  readonly subject: string;

  constructor(subject: string, known: string, options?: ErrorOptions) {
    super(`${subject}: outcome unknown: ${known}`, false, options);
    this.subject = subject;
  }
}
