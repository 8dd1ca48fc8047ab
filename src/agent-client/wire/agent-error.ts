import type { KubernetesWorkerError } from '../../errors/base.ts';
import { ClosedError, InvalidSpecError } from '../../errors/caller.ts';
import { ProtocolViolationError } from '../../errors/connection.ts';
import {
  ExecutableFormatError,
  ExecutableNotFoundError,
  OutcomeUnknownError,
  OutputFreedError,
  type ProcessFacts,
  ProcessNotFoundError,
  UserNotFoundError,
  WorkingDirectoryError,
} from '../../errors/process.ts';
import { LeaseLostError, VolumeNotFoundError } from '../../errors/repository.ts';
import {
  ArtifactTooLargeError,
  CorruptArchiveError,
  DigestMismatchError,
  DiskFullError,
  FileChangedError,
  FileNotFoundError,
  NotPermittedError,
  OperationLostError,
  PathConflictError,
  TransferError,
  type TransferFacts,
  TruncatedArchiveError,
  UnsafeArchivePathError,
  UnsupportedEntryError,
  VolumeDamagedError,
  VolumeIoError,
} from '../../errors/transfer.ts';
import { quote } from '../../internal/quote.ts';
import type { Fields } from './control.ts';

/** The maximum number of characters of a text from the agent; longer texts are truncated. */
const MAX_TEXT = 4096;

/** The optional fields of an ERROR frame. */
export interface AgentFailureFacts {
  readonly errno?: number | undefined;
  /** Like `ENOENT`. */
  readonly errnoName?: string | undefined;
  readonly path?: string | undefined;
  readonly entry?: string | undefined;
  readonly limitBytes?: number | undefined;
  readonly bytes?: number | undefined;
  readonly oomKills?: number | undefined;
}

/** An ERROR frame of the agent. It is the cause of the library's own errors. */
export class AgentFailure extends Error {
  override readonly name = 'AgentFailure';
  readonly code: string;
  readonly facts: AgentFailureFacts;

  constructor(code: string, message: string, facts: AgentFailureFacts = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }

  /** @throws ProtocolViolationError */
  static of(fields: Fields): AgentFailure {
    const count = (name: string): number | undefined => fields.optional(name, (from) => from.count(name));
    const text = (name: string): string | undefined =>
      fields.optional(name, (from) => from.text(name).slice(0, MAX_TEXT));
    return new AgentFailure(quote(fields.string('code'), 100), quote(text('message') ?? '', MAX_TEXT), {
      errno: count('errno'),
      errnoName: text('errnoName'),
      path: text('path'),
      entry: text('entry'),
      limitBytes: count('limitBytes'),
      bytes: count('bytes'),
      oomKills: fields.optional('oomKills', (from, name) => from.knownCount(name)),
    });
  }
}

/** The host's names of fields that have other ones in the protocol. */
const hostFields: Readonly<Record<string, string>> = {
  'from.stdout': 'from.stdoutBytes',
  'from.stderr': 'from.stderrBytes',
};

/** The agent begins its message with the field that it refuses in quotes, or names it on its own. */
function invalidSpec({ message, facts }: AgentFailure, options: ErrorOptions): InvalidSpecError {
  const [, name, problem = message] = /^'([\w.]+)' (.*)$/s.exec(message) ?? [];
  const field = facts.path ?? (name === undefined ? 'spec' : (hostFields[name] ?? name));
  return new InvalidSpecError(quote(field, 100), facts.path === undefined ? problem : message, options);
}

type Mapping<Facts> = (failure: AgentFailure, facts: Facts, options: ErrorOptions) => KubernetesWorkerError;

const TRANSFER_ERRORS: ReadonlyMap<string, Mapping<TransferFacts>> = new Map<string, Mapping<TransferFacts>>([
  ['CORRUPT_ARCHIVE', (failure, facts, options) => new CorruptArchiveError(facts, failure.message, options)],
  // The digest of END detects bytes lost on the wire, so here the caller's own archive is too
  // short.
  ['TRUNCATED_ARCHIVE', (failure, facts, options) => new TruncatedArchiveError(facts, failure.message, false, options)],
  ['DIGEST_MISMATCH', (failure, facts, options) => new DigestMismatchError(facts, failure.message, options)],
  ['UNSAFE_ARCHIVE_PATH', (_failure, facts, options) => new UnsafeArchivePathError(facts, options)],
  ['UNSAFE_PATH', (_failure, facts, options) => new UnsafeArchivePathError({ ...facts, entry: undefined }, options)],
  ['UNSUPPORTED_ENTRY', (failure, facts, options) => new UnsupportedEntryError(facts, failure.message, options)],
  [
    'ARTIFACT_TOO_LARGE',
    (failure, facts, options) => new ArtifactTooLargeError(facts, failure.facts.limitBytes ?? 0, options),
  ],
  ['DISK_FULL', (failure, facts, options) => new DiskFullError(facts, failure.message, options)],
  ['NOT_PERMITTED', (failure, facts, options) => new NotPermittedError(facts, failure.message, options)],
  ['PATH_CONFLICT', (failure, facts, options) => new PathConflictError(facts, failure.message, options)],
  ['VOLUME_DAMAGED', (failure, facts, options) => new VolumeDamagedError(facts, failure.message, options)],
  ['VOLUME_NOT_FOUND', (_failure, facts, options) => new VolumeNotFoundError(facts.handle ?? '', options)],
  ['FILE_NOT_FOUND', (_failure, facts, options) => new FileNotFoundError(facts, options)],
  ['FILE_CHANGED', (_failure, facts, options) => new FileChangedError(facts, options)],
  ['ARCHIVE_EXISTS', (_failure, facts, options) => new PathConflictError(facts, 'the archive exists', options)],
  ['ARCHIVE_MISSING', (_failure, facts, options) => new FileNotFoundError(facts, options)],
  ['IO_ERROR', (failure, facts, options) => new VolumeIoError(facts, failure.message, options)],
  ['OPERATION_GONE', (failure, facts, options) => new OperationLostError(facts, failure.message, options)],
  ['STALE_GENERATION', (_failure, facts, options) => new LeaseLostError(facts.handle ?? '', options)],
  [
    'CANCELLED',
    (failure, facts, options) =>
      new OperationLostError(facts, failure.message === '' ? 'the operation was cancelled' : failure.message, options),
  ],
  ['INVALID_SPEC', (failure, _facts, options) => invalidSpec(failure, options)],
]);

/**
 * Maps an ERROR frame of a transfer, a copy or a removal to a typed error, with the failure as its
 * cause. Maps unexpected codes to `ProtocolViolationError`.
 */
export function transferError(failure: AgentFailure, facts: TransferFacts): KubernetesWorkerError {
  const merged: TransferFacts = {
    ...facts,
    path: failure.facts.path ?? facts.path,
    entry: failure.facts.entry ?? facts.entry,
    errno: failure.facts.errnoName ?? facts.errno,
    bytes: failure.facts.bytes ?? facts.bytes,
  };
  return TRANSFER_ERRORS.get(failure.code)?.(failure, merged, { cause: failure }) ?? unexpected(failure);
}

/**
 * Returns the outcome of a failed transfer, for metrics. A pod can send any code, so unknown codes
 * map to one label.
 */
export function transferOutcome(error: unknown): string {
  if (!(error instanceof AgentFailure)) return 'OPERATION_LOST';
  return TRANSFER_ERRORS.has(error.code) ? error.code : 'OTHER';
}

/** The parts of a command that the errors of a start name. */
export interface StartedCommand {
  /** `args[0]`. */
  readonly executable: string;
  readonly user?: string | undefined;
  readonly dir?: string | undefined;
}

interface StartFacts {
  readonly process: ProcessFacts;
  readonly command: StartedCommand;
}

const START_ERRORS: ReadonlyMap<string, Mapping<StartFacts>> = new Map<string, Mapping<StartFacts>>([
  [
    'EXECUTABLE_NOT_FOUND',
    (_failure, { process, command }, options) => new ExecutableNotFoundError(process, command.executable, options),
  ],
  [
    'WRONG_FORMAT',
    (_failure, { process, command }, options) => new ExecutableFormatError(process, command.executable, options),
  ],
  [
    'USER_NOT_FOUND',
    (_failure, { process, command }, options) => new UserNotFoundError(process, command.user ?? '', options),
  ],
  [
    'BAD_DIRECTORY',
    (failure, { process, command }, options) =>
      new WorkingDirectoryError(process, command.dir ?? failure.facts.path ?? '', failure.message, options),
  ],
  [
    'NOT_PERMITTED',
    (failure, { process }, options) =>
      new NotPermittedError(
        factsOf(failure, process),
        `start of process ${process.processId}: ${failure.message}`,
        options,
      ),
  ],
  [
    'DISK_FULL',
    (failure, { process }, options) =>
      new DiskFullError(
        factsOf(failure, process),
        `start of process ${process.processId}: ${failure.message}`,
        options,
      ),
  ],
  [
    'IO_ERROR',
    (failure, { process }, options) =>
      new VolumeIoError(
        factsOf(failure, process),
        `start of process ${process.processId}: ${failure.message}`,
        options,
      ),
  ],
  ['INVALID_SPEC', (failure, _facts, options) => invalidSpec(failure, options)],
]);

/** Maps an ERROR frame of a start to a typed error, with the failure as its cause. */
export function processStartError(
  failure: AgentFailure,
  process: ProcessFacts,
  command: StartedCommand,
): KubernetesWorkerError {
  return (
    START_ERRORS.get(failure.code)?.(failure, { process, command }, { cause: failure }) ??
    processError(failure, process)
  );
}

const PROCESS_ERRORS: ReadonlyMap<string, Mapping<ProcessFacts>> = new Map<string, Mapping<ProcessFacts>>([
  ['PROCESS_NOT_FOUND', (_failure, facts, options) => new ProcessNotFoundError(facts, options)],
  [
    'PROCESS_LOST',
    (failure, facts, options) =>
      new OutcomeUnknownError(
        `process ${facts.processId} in container ${facts.handle}`,
        `the pod container was restarted after the process had started${(failure.facts.oomKills ?? 0) > 0 ? `; ${failure.facts.oomKills} processes were killed for memory` : ''}`,
        options,
      ),
  ],
  [
    'OUTPUT_FREED',
    ({ facts: { path, bytes = 0, limitBytes = bytes } }, facts, options) =>
      new OutputFreedError(
        facts,
        { stream: path === 'stderr' ? 'stderr' : 'stdout', fromBytes: bytes, toBytes: limitBytes },
        options,
      ),
  ],
  [
    'CANCELLED',
    (_failure, facts, options) =>
      new OutcomeUnknownError(
        `process ${facts.processId} in container ${facts.handle}`,
        'the attachment was detached',
        options,
      ),
  ],
  [
    'NOT_PERMITTED',
    (failure, facts, options) => new NotPermittedError(factsOf(failure, facts), failure.message, options),
  ],
  ['DISK_FULL', (failure, facts, options) => new DiskFullError(factsOf(failure, facts), failure.message, options)],
  ['IO_ERROR', (failure, facts, options) => new VolumeIoError(factsOf(failure, facts), failure.message, options)],
  ['INVALID_SPEC', (failure, _facts, options) => invalidSpec(failure, options)],
]);

/**
 * Maps an ERROR frame about a started process to a typed error. The failure, with its `oomKills`,
 * is the cause.
 */
export function processError(failure: AgentFailure, facts: ProcessFacts): KubernetesWorkerError {
  return PROCESS_ERRORS.get(failure.code)?.(failure, facts, { cause: failure }) ?? unexpected(failure);
}

/**
 * Returns the error that a transfer rejects with. Maps an ERROR frame to a typed error, and a lost
 * connection to an `OperationLostError` with its cause, or to an `OutcomeUnknownError` if the agent
 * may have completed the transfer. Returns errors with a meaning of their own unchanged.
 */
export function transferFailure(
  error: unknown,
  facts: TransferFacts,
  { mayBeDone = false }: { readonly mayBeDone?: boolean } = {},
): unknown {
  if (error instanceof AgentFailure) return transferError(error, facts);
  if (error instanceof LostConnection) {
    const { reason } = error;
    if (reason instanceof ProtocolViolationError || reason instanceof TransferError || reason instanceof ClosedError)
      return reason;
    if (mayBeDone)
      return new OutcomeUnknownError(
        subjectOf(facts),
        `every byte was sent, but the agent could not be reached to confirm the commit: ${reason.message}`,
        { cause: reason },
      );
    return new OperationLostError(facts, reason.message, { cause: reason });
  }
  return error;
}

/**
 * Returns the error that an operation of a process rejects with. Maps an ERROR frame to a typed
 * error, and a lost connection to its reason, so that the caller reconnects.
 */
export function processFailure(error: unknown, facts: ProcessFacts): unknown {
  if (error instanceof AgentFailure) return processError(error, facts);
  return error instanceof LostConnection ? error.reason : error;
}

/** The connection ended before the operation. */
export class LostConnection extends Error {
  override readonly name = 'LostConnection';
  readonly reason: Error;

  constructor(reason: Error) {
    super(reason.message, { cause: reason });
    this.reason = reason;
  }
}

function subjectOf({ handle, path = '', podName = '', bytes = 0 }: TransferFacts): string {
  const target = handle === undefined ? `archive ${path}` : `volume ${handle}`;
  return `upload to ${target} in pod ${podName}, of which ${bytes} bytes were acknowledged`;
}

function factsOf(failure: AgentFailure, { handle }: ProcessFacts): TransferFacts {
  return { handle, path: failure.facts.path, errno: failure.facts.errnoName };
}

function unexpected(failure: AgentFailure): ProtocolViolationError {
  return new ProtocolViolationError(`the agent failed with ${failure.code}: ${failure.message}`, { cause: failure });
}
