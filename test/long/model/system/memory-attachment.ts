import type { Attachment } from '../../../../src/agent-client/process/attachment.ts';
import type { AgentProcessResult } from '../../../../src/agent-client/process/process-result.ts';
import { ClosedError } from '../../../../src/errors/caller.ts';
import { ExecConnectionLostError } from '../../../../src/errors/connection.ts';
import type { Gate } from './gate.ts';
import type { MemoryPod, MemoryProcess } from './memory-pods.ts';

const noOutput = { from: 0, first: 0, end: 0 };
const position = { stdoutBytes: 0, stderrBytes: 0 };
/** The clock of the node. */
const startedAt = new Date(1_000);

/** Returns an attachment to a process without output. Its result waits at the gate. */
export function attachmentOf(
  pod: MemoryPod,
  process: MemoryProcess,
  { gate, caller }: { readonly gate: Gate; readonly caller: string },
): Attachment {
  const detached = Promise.withResolvers<never>();
  detached.promise.catch(() => undefined);
  const lost = (): Error => new ExecConnectionLostError('reset', { bytesReceived: 0, bytesSent: 0 });
  const end = async (): Promise<AgentProcessResult> => {
    while (pod.runs && !process.ended) await process.change.wait();
    if (!process.ended) throw lost();
    const name = `${caller} receives the result of ${process.id} in ${pod.name}`;
    return await gate.pass({ caller, kind: 'event', name, effect: () => resultOf(process), failure: lost });
  };
  const result = Promise.race([end(), detached.promise]);
  result.catch(() => undefined);
  const facts = { stdout: noOutput, stderr: noOutput, stdin: undefined, ended: process.ended, startedAt };
  const detach = async (): Promise<void> => detached.reject(new ClosedError('the attachment'));
  const nothing = { acknowledgeDurable: () => undefined, stop: () => undefined };
  const stdin = { stdinAcknowledged: 0, stdinSent: 0, sendStdin: async () => {}, endStdin: async () => {} };
  return { facts, protocol: 3, result, position, ...stdin, ...nothing, detach };
}

function resultOf({ exitStatus }: MemoryProcess): AgentProcessResult {
  return {
    exitStatus,
    signal: undefined,
    startedAt,
    finishedAt: new Date(2_000),
    stdoutBytes: 0,
    stderrBytes: 0,
    oomKills: undefined,
    outputCut: false,
    shutdown: false,
  };
}
