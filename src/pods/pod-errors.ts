import {
  type MemoryFacts,
  OutOfMemoryError,
  PodDeletedError,
  type PodError,
  PodFailedError,
  PodStartTimeoutError,
  PodUnschedulableError,
} from '../errors/pod.ts';
import { podErrorWith } from '../errors/pod-error-with.ts';
import { cutBytes } from '../internal/cut-bytes.ts';
import type { Mask } from '../internal/host-mask.ts';
import type { Cluster, Pod } from '../kubernetes/cluster.ts';
import { mainContainerName } from '../kubernetes/pod-spec/pod-spec.ts';
import { mainContainerState } from '../kubernetes/pod-state/main-container-state.ts';
import { maxMessageBytes } from '../kubernetes/pod-state/pod-diagnostics.ts';
import type { StartProblem } from '../kubernetes/pod-state/pod-start.ts';
import { findUnschedulable, podProblem, waitsForVolumesSince } from '../kubernetes/pod-state/pod-status.ts';
import type { PodWatch } from '../kubernetes/pod-state/pod-watch.ts';

export interface PodErrorsComponents {
  readonly cluster: Pick<Cluster, 'namespace'>;
  readonly watch: Pick<PodWatch, 'lastSeen'>;
  readonly mask: Mask;
}

interface Why {
  readonly reason?: string | undefined;
  readonly detail?: string | undefined;
  readonly containerName?: string | undefined;
}

/** A pod that ends at each start, with the end of its output. */
export type EndsAtStart = Extract<StartProblem, { kind: 'ends' }> & { readonly output: string };

/** Creates the errors about pods. What Kubernetes reports is masked and shortened. */
export class PodErrors {
  readonly #components: PodErrorsComponents;

  constructor(components: PodErrorsComponents) {
    this.#components = components;
  }

  /** Returns the final problem of a pod in this state. */
  problemOf(pod: Pod): PodError | undefined {
    const problem = podProblem(pod);
    return problem === undefined ? undefined : this.masked(problem);
  }

  /** Returns the error with a detail that may be shown. */
  masked(error: PodError): PodError {
    const detail = this.#shown(error.detail);
    return detail === error.detail ? error : podErrorWith(error, { detail });
  }

  gone(podName: string, mayStillRun: boolean): PodError {
    return new PodDeletedError({ ...this.#factsOf(podName, {}), mayStillRun });
  }

  /** Commands may still run unless the main container was killed. */
  outOfMemory(podName: string, memory: MemoryFacts): OutOfMemoryError {
    const mayStillRun = memory.containerName !== mainContainerName;
    return new OutOfMemoryError({ ...this.#factsOf(podName, { reason: 'OOMKilled' }), mayStillRun }, memory);
  }

  startTimeout(
    podName: string,
    { pod, volumeFailure }: { readonly pod?: Pod | undefined; readonly volumeFailure?: string | undefined },
    waitedMs: number,
    options: ErrorOptions,
  ): PodError {
    const wait = describeWait(pod);
    const waitsForVolumes = pod !== undefined && waitsForVolumesSince(pod) !== undefined;
    const detail = [wait.detail, waitsForVolumes ? volumeFailure : undefined].filter((part) => part !== undefined);
    const why = { ...wait, detail: detail.length === 0 ? undefined : detail.join('; ') };
    const facts = this.#factsOf(podName, { ...why, containerName: mainContainerName }, pod);
    return new PodStartTimeoutError(facts, waitedMs, options);
  }

  unschedulable(podName: string, pod: Pod | undefined, waitedMs: number): PodError {
    const detail = pod === undefined ? undefined : findUnschedulable(pod)?.detail;
    return new PodUnschedulableError(this.#factsOf(podName, { detail }), waitedMs);
  }

  endsAtStart(pod: Pod, { containerName, times, termination, output }: EndsAtStart): PodError {
    const podName = pod.metadata?.name ?? '';
    const limitBytes = memoryLimitOf(pod, containerName);
    if (termination.outOfMemory) return this.outOfMemory(podName, { containerName, limitBytes });
    const { reason, exitCode, message } = termination;
    const words = [
      `container ${containerName} ended at each of ${times} starts, the last time with exit code ${exitCode}`,
      ...(message === undefined ? [] : [message]),
      ...(output === '' ? [] : [`its last output: ${output}`]),
    ];
    return new PodFailedError(this.#factsOf(podName, { reason, detail: words.join('; '), containerName }, pod));
  }

  #factsOf(
    podName: string,
    { detail, ...why }: Why,
    pod: Pod | undefined = this.#components.watch.lastSeen(podName),
  ): { namespace: string; podName: string; nodeName: string | undefined } & Why {
    const { namespace } = this.#components.cluster;
    return { namespace, podName, nodeName: pod?.spec?.nodeName, ...why, detail: this.#shown(detail) };
  }

  #shown(detail: string | undefined): string | undefined {
    const masked = detail === undefined ? undefined : this.#components.mask(detail);
    return masked === undefined ? undefined : cutBytes(masked, maxMessageBytes);
  }
}

function describeWait(pod: Pod | undefined): Pick<Why, 'reason' | 'detail'> {
  const state = pod === undefined ? undefined : mainContainerState(pod);
  if (state === undefined || state.kind === 'running')
    return { reason: undefined, detail: 'its container runs, but the agent does not answer' };
  const end = state.kind === 'restarting' ? state.lastTermination : undefined;
  if (end === undefined) return { reason: state.reason, detail: state.detail };
  const last = `its last run ended with exit code ${end.exitCode} (${end.reason ?? 'no reason'})`;
  return {
    reason: state.reason,
    detail: [state.detail, last, end.message].filter((part) => part !== undefined).join('; '),
  };
}

function memoryLimitOf(pod: Pod, containerName: string): number | undefined {
  const limit = Number(pod.spec?.containers.find(({ name }) => name === containerName)?.resources?.limits?.['memory']);
  return Number.isSafeInteger(limit) ? limit : undefined;
}
