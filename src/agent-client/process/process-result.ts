import { ProtocolViolationError } from '../../errors/connection.ts';
import type { Fields } from '../wire/control.ts';

/** How a process ended, as the agent has stored it. */
export interface AgentProcessResult {
  /** 0 to 255; 128 + n where signal n ended it. */
  readonly exitStatus: number;
  readonly signal: number | undefined;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** Of its output, from the start. */
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  /** How many processes of the container were killed for memory meanwhile; `undefined`: its kernel does not tell. */
  readonly oomKills: number | undefined;
  /** The container was killed when the command had ended, before all that it had printed was read. */
  readonly outputCut: boolean;
  /** It ended after the agent was told to end, and so maybe because of that: it is not the command's own result. */
  readonly shutdown: boolean;
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
  };
}

/** @throws ProtocolViolationError */
export function readExit(fields: Fields): { readonly exitStatus: number; readonly signal: number | undefined } {
  const exitStatus = fields.count('exitStatus');
  const signal = fields.optional('signal', (from, name) => from.count(name));
  if (exitStatus > 255) throw new ProtocolViolationError(`an exit status of ${exitStatus}`);
  if (signal !== undefined && (signal < 1 || signal > 64))
    throw new ProtocolViolationError(`a signal of number ${signal}`);
  return { exitStatus, signal };
}
