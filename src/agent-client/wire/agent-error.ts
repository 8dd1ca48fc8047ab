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

/** Longer texts of the agent are cut. */
const MAX_TEXT = 4096;

/** The facts of an ERROR frame. */
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

/** An ERROR frame, as the agent said it. It is what the library's own errors have as their cause. */
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

/** The field of a specification that the agent refuses. */
function fieldOf({ facts }: AgentFailure): string {
  return quote(facts.path ?? 'spec', 100);
}

type Mapping<Facts> = (failure: AgentFailure, facts: Facts, options: ErrorOptions) => KubernetesWorkerError;

const TRANSFER_ERRORS: ReadonlyMap<string, Mapping<TransferFacts>> = new Map<string, Mapping<TransferFacts>>([
  ['CORRUPT_ARCHIVE', (failure, facts, options) => new CorruptArchiveError(facts, failure.message, options)],
  // What the wire lost, END and its digest have told before: here it was the caller's archive that was short.
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
  ['IO_ERROR', (failure, facts, options) => new VolumeIoError(facts, failure.message, options)],
  ['OPERATION_GONE', (failure, facts, options) => new OperationLostError(facts, failure.message, options)],
  ['STALE_GENERATION', (_failure, facts, options) => new LeaseLostError(facts.handle ?? '', options)],
  [
    'CANCELLED',
    (failure, facts, options) =>
      new OperationLostError(facts, failure.message === '' ? 'it was cancelled' : failure.message, options),
  ],
  ['INVALID_SPEC', (failure, _facts, options) => new InvalidSpecError(fieldOf(failure), failure.message, options)],
]);

/** What an ERROR frame of a transfer, a copy or a removal means to a caller. The failure is the cause. Codes that it cannot have: `ProtocolViolationError`. */
export function transferError(failure: AgentFailure, facts: TransferFacts): KubernetesWorkerError {
  const told: TransferFacts = {
    ...facts,
    path: failure.facts.path ?? facts.path,
    entry: failure.facts.entry ?? facts.entry,
    errno: failure.facts.errnoName ?? facts.errno,
    bytes: failure.facts.bytes ?? facts.bytes,
  };
  return TRANSFER_ERRORS.get(failure.code)?.(failure, told, { cause: failure }) ?? unexpected(failure);
}

/** How a transfer ended, for metrics. A pod may say any code: one that is not known would become a label of its own. */
export function transferOutcome(error: unknown): string {
  if (!(error instanceof AgentFailure)) return 'OPERATION_LOST';
  return TRANSFER_ERRORS.has(error.code) ? error.code : 'OTHER';
}

/** What the errors of a start may name. */
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
  ['INVALID_SPEC', (failure, _facts, options) => new InvalidSpecError(fieldOf(failure), failure.message, options)],
]);

/** What an ERROR frame of a start means to a caller. The failure is the cause. */
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
        `it was started, and its pod's container was restarted since${(failure.facts.oomKills ?? 0) > 0 ? `; ${failure.facts.oomKills} processes were killed for memory` : ''}`,
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
      new OutcomeUnknownError(`process ${facts.processId} in container ${facts.handle}`, 'detached from it', options),
  ],
  [
    'NOT_PERMITTED',
    (failure, facts, options) => new NotPermittedError(factsOf(failure, facts), failure.message, options),
  ],
  ['DISK_FULL', (failure, facts, options) => new DiskFullError(factsOf(failure, facts), failure.message, options)],
  ['IO_ERROR', (failure, facts, options) => new VolumeIoError(factsOf(failure, facts), failure.message, options)],
  ['INVALID_SPEC', (failure, _facts, options) => new InvalidSpecError(fieldOf(failure), failure.message, options)],
]);

/** What an ERROR frame about a process that was started means to a caller. The failure, with its `oomKills`, is the cause. */
export function processError(failure: AgentFailure, facts: ProcessFacts): KubernetesWorkerError {
  return PROCESS_ERRORS.get(failure.code)?.(failure, facts, { cause: failure }) ?? unexpected(failure);
}

/**
 * What a transfer is rejected with, whatever it failed with: an ERROR frame is mapped, a lost connection is an `OperationLostError` with its cause, or an
 * `OutcomeUnknownError` where the agent may have done all of it; what has a meaning of its own stays as it is.
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
        `all of it was sent, and then nobody could be asked: ${reason.message}`,
        { cause: reason },
      );
    return new OperationLostError(facts, reason.message, { cause: reason });
  }
  return error;
}

/** What a process's operation is rejected with: an ERROR frame is mapped, of a lost connection its own reason comes, so that the caller connects again. */
export function processFailure(error: unknown, facts: ProcessFacts): unknown {
  if (error instanceof AgentFailure) return processError(error, facts);
  return error instanceof LostConnection ? error.reason : error;
}

/** The connection ended before the operation on it. */
export class LostConnection extends Error {
  override readonly name = 'LostConnection';
  readonly reason: Error;

  constructor(reason: Error) {
    super(reason.message, { cause: reason });
    this.reason = reason;
  }
}

function subjectOf({ handle = '', podName = '', bytes = 0 }: TransferFacts): string {
  return `upload to volume ${handle} in pod ${podName}, of which ${bytes} bytes were acknowledged`;
}

function factsOf(failure: AgentFailure, { handle }: ProcessFacts): TransferFacts {
  return { handle, path: failure.facts.path, errno: failure.facts.errnoName };
}

function unexpected(failure: AgentFailure): ProtocolViolationError {
  return new ProtocolViolationError(`the agent failed with ${failure.code}: ${failure.message}`, { cause: failure });
}
