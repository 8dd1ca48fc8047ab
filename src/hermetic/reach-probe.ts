import { HermeticNotEnforcedError } from '../errors/hermetic.ts';
import type { ExecConnection } from '../exec/exec-connection.ts';
import { abortable } from '../internal/abort.ts';
import { quote } from '../internal/quote.ts';
import { agentReachCommand } from '../kubernetes/pod-spec/pod-spec.ts';
import type { AbortOptions } from '../runtime/options.ts';

/** A numeric address and a port. */
export interface ReachTarget {
  readonly host: string;
  readonly port: string;
}

/** What the agent of a pod reports about one connection. */
export interface ReachResult {
  readonly target: ReachTarget;
  /** `refused`: packets got out and back. `unreachable`: nothing came back within the time. */
  readonly outcome: 'connected' | 'refused' | 'unreachable';
}

/** The exec of a command that has no stdin. */
type ReachConnection = Pick<ExecConnection, 'start' | 'close' | 'status' | 'stderrTail'>;

export interface ReachComponents {
  readonly namespace: string;
  /** Runs a command in the main container of a pod. */
  readonly exec: (podName: string, command: readonly string[], options: AbortOptions) => Promise<ReachConnection>;
}

/** Long enough for a second SYN, because the first one may be lost while a pod starts. */
const reachTimeoutMs = 2_000;
/** The agent prints one short line. */
const maxLineBytes = 1_024;

/**
 * Runs `agent reach` in a pod. Without a target, the agent tries the API server's Service.
 *
 * @throws HermeticNotEnforcedError - the agent has reported no outcome for this target
 */
export async function reachFromPod(
  { namespace, exec }: ReachComponents,
  { podName, target }: { readonly podName: string; readonly target: ReachTarget | undefined },
  options: AbortOptions,
): Promise<ReachResult> {
  const connection = await exec(podName, agentReachCommand(target, reachTimeoutMs), options);
  try {
    const { line, reason } = await abortable(outputOf(connection), options.signal);
    const { status, stderrTail } = connection;
    if (status?.kind !== 'exited') throw reason;
    const result = parseOutcome(line, status.exitCode);
    if (result !== undefined && (target === undefined || isSame(target, result.target))) return result;
    const output = quote(`${line}${stderrTail}`.trim());
    // An agent of an earlier version prints its usage.
    const detail = `agent reach in pod ${podName} ended with exit code ${status.exitCode} and no outcome: ${output}`;
    throw new HermeticNotEnforcedError({ namespace, reason: 'probe-inconclusive', detail });
  } finally {
    connection.close();
  }
}

/** Returns `undefined` unless the line and the exit code agree. */
export function parseOutcome(line: string, exitCode: number): ReachResult | undefined {
  const [, outcome, host = '', port = ''] = /^(connected|refused|unreachable) (\S+) (\d+)\n$/.exec(line) ?? [];
  const isReached = outcome === 'connected' || outcome === 'refused';
  if (isReached && exitCode === 0) return { outcome, target: { host, port } };
  return outcome === 'unreachable' && exitCode === 1 ? { outcome, target: { host, port } } : undefined;
}

function isSame(a: ReachTarget, b: ReachTarget): boolean {
  return a.host === b.host && a.port === b.port;
}

/** Resolves when the command has ended, with the start of its stdout. */
async function outputOf(connection: ReachConnection): Promise<{ readonly line: string; readonly reason: Error }> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  return await new Promise((resolve) => {
    connection.start({
      data: (chunk) => {
        if (bytes < maxLineBytes) chunks.push(Buffer.from(chunk));
        bytes += chunk.byteLength;
      },
      end: (reason) => resolve({ line: Buffer.concat(chunks).toString('utf8'), reason }),
    });
  });
}
