import { ProtocolViolationError } from '../../errors/connection.ts';
import type { Fields } from '../wire/control.ts';

/** The result of a process, as the agent has stored it. */
export interface AgentProcessResult {
  /** 0 to 255; 128 + n if signal n ended the process. */
  readonly exitStatus: number;
  readonly signal: number | undefined;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** The size of the whole output. */
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  /**
   * The number of the container's processes that the kernel killed for lack of memory during the
   * run. `undefined` if the kernel does not report it.
   */
  readonly oomKills: number | undefined;
  /**
   * Whether the container was killed after the command had ended, but before all its output was
   * read.
   */
  readonly outputCut: boolean;
  /**
   * The process ended after the agent had received TERM, and possibly because of it, so this may
   * not be the command's own result.
   */
  readonly shutdown: boolean;
  /** The digest of the specification that started it. Absent if the start had none. */
  readonly specDigest?: string | undefined;
}

/** @throws ProtocolViolationError */
export function readProcessResult(fields: Fields): AgentProcessResult {
  return {
    ...readExit(fields),
    startedAt: new Date(fields.count('startedAt')),
    finishedAt: new Date(fields.count('finishedAt')),
    stdoutBytes: fields.count('stdoutBytes'),
    stderrBytes: fields.count('stderrBytes'),
    oomKills: fields.knownCount('oomKills'),
    outputCut: fields.optional('outputCut', (from, name) => from.boolean(name)) ?? false,
    shutdown: fields.optional('shutdown', (from, name) => from.boolean(name)) ?? false,
    ...readSpecDigest(fields),
  };
}

/** @throws ProtocolViolationError */
export function readSpecDigest(fields: Fields): { readonly specDigest?: string } {
  const specDigest = fields.optional('specDigest', (from, name) => from.string(name));
  if (specDigest === undefined) return {};
  if (!/^[0-9a-f]{64}$/.test(specDigest))
    throw new ProtocolViolationError('a digest of a specification is not SHA-256');
  return { specDigest };
}

/** @throws ProtocolViolationError */
function readExit(fields: Fields): { readonly exitStatus: number; readonly signal: number | undefined } {
  const exitStatus = fields.count('exitStatus');
  const signal = fields.optional('signal', (from, name) => from.count(name));
  if (exitStatus > 255) throw new ProtocolViolationError(`an exit status of ${exitStatus}`);
  if (signal !== undefined && (signal < 1 || signal > 64))
    throw new ProtocolViolationError(`a signal of number ${signal}`);
  return { exitStatus, signal };
}
