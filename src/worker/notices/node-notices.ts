import type { Writable } from 'node:stream';

import { isNodeNotReady } from '../../kubernetes/pod-state/node-readiness.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import { writeNotice } from './host-notice.ts';

export interface NodeNoticesOptions extends AbortOptions {
  readonly pods: Pick<PodSupervisor, 'observe'>;
  readonly podName: string;
  readonly stderr: Writable | undefined;
}

/**
 * Writes a line to the host's stderr each time the pod's node is no longer ready, and when it is
 * ready again. The command may run meanwhile: only the end of its pod decides its outcome. Resolves
 * when the signal aborts, and at once without a stderr. Never rejects.
 */
export async function noticeNodeReadiness({ pods, podName, stderr, signal }: NodeNoticesOptions): Promise<void> {
  if (stderr === undefined) return;
  let wasNotReady = false;
  try {
    for await (const pod of pods.observe(podName, { signal })) {
      if (pod === undefined) return;
      const isNotReady = isNodeNotReady(pod);
      if (isNotReady !== wasNotReady) writeNotice(stderr, lineOf(pod.spec?.nodeName ?? '', isNotReady));
      wasNotReady = isNotReady;
    }
  } catch {
    // The signal has aborted, or the watch reports nothing.
  }
}

/** Begins on a new line: the output before may lack a line end. */
function lineOf(nodeName: string, isNotReady: boolean): string {
  return isNotReady
    ? `\nnode ${nodeName} is not ready, or no longer reports; the command may still run there\n`
    : `\nnode ${nodeName} is ready again\n`;
}
