import type { AgentProcessResult } from '../../agent-client/process/process-result.ts';
import { PROCESS_FATES_SINCE } from '../../agent-client/session/agent-hello.ts';
import { OutcomeUnknownError } from '../../errors/process.ts';
import type { EmitEvent } from '../../events/emit-event.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { ContainerRepository } from '../../repository/container-repository.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { Properties, UnsavedOutput } from '../../runtime/process.ts';
import type { OutputSaver } from './output-saver.ts';

/** The process of a result that an agent has reported. */
export interface ResultSource {
  readonly handle: string;
  readonly podName: string;
  readonly processId: string;
}

/** The process of a result that is to be recorded. */
export interface RecordedSource extends ResultSource {
  /** Whether it is a hijack. `undefined`: another call has started it. */
  readonly hijack?: boolean | undefined;
}

export interface ResultComponents {
  readonly containers: ContainerRepository;
  readonly pods: PodSupervisor;
  /** `undefined` for a worker without a store for outputs. */
  readonly outputs: Pick<OutputSaver, 'save'> | undefined;
  readonly emit: EmitEvent;
}

export interface RecordOptions extends AbortOptions {
  /** Returns the properties to store with the result. @defaultValue none */
  readonly properties?: ((unsaved: readonly UnsavedOutput[]) => Promise<Properties>) | undefined;
}

/**
 * Throws if the end of the pod ended the command, by a signal or by the command's reaction to it.
 * Then the result is not the command's own, and the error describes the pod's end. An agent before
 * protocol 3 does not mark such results, so there every result with a signal is checked against the
 * pod.
 *
 * @throws PodError, OutcomeUnknownError
 */
export async function requireOwnResult(
  result: AgentProcessResult,
  { handle, podName, processId, protocol }: ResultSource & { readonly protocol: number },
  pods: PodSupervisor,
  { signal }: AbortOptions,
): Promise<void> {
  if (protocol < PROCESS_FATES_SINCE && result.signal !== undefined) await pods.requireAlive(podName, { signal });
  if (!result.shutdown) return;
  const end = await pods.findEnd(podName, { signal, expectedSince: result.startedAt });
  const subject = `process ${processId} in container ${handle}`;
  throw end ?? new OutcomeUnknownError(subject, 'its container was stopped, which ended the command');
}

/**
 * Saves the outputs of the container, unless the process is a hijack, and then stores the result and
 * the properties. The first stored result of a process is final. Resolves with the outputs that could
 * not be saved.
 */
export async function recordResult(
  {
    exitStatus,
    signal: number,
    oomKills,
    stdoutBytes,
    stderrBytes,
    startedAt,
    finishedAt,
    specDigest,
  }: AgentProcessResult,
  { handle, processId, hijack }: RecordedSource,
  { containers, pods, outputs, emit }: ResultComponents,
  { properties: derive, signal }: RecordOptions,
): Promise<readonly UnsavedOutput[]> {
  const isHijack = async (): Promise<boolean> =>
    hijack ?? (await pods.retry(() => containers.isHijack(handle, processId, { signal }), { signal }));
  const isSaved = outputs !== undefined && !(await isHijack());
  const unsaved = isSaved ? await outputs.save({ handle, processId, exitStatus }, { signal }) : [];
  const properties = (await derive?.(unsaved)) ?? {};
  const record = { exitStatus, signal: number, oomKills, stdoutBytes, stderrBytes, startedAt, finishedAt, specDigest };
  // Without a check of the pod: the result is known even if the pod ends in the meantime.
  await pods.retry(() => containers.recordProcessResult(handle, processId, record, { properties, signal }), { signal });
  emit({ kind: 'process-ended', handle, processId, exitStatus, signal: number });
  return unsaved;
}
