import { isNodeNotReady } from '../../kubernetes/pod-state/node-readiness.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';

export interface NodeNoticesOptions extends AbortOptions {
  readonly pods: Pick<PodSupervisor, 'observe'>;
  readonly podName: string;
  readonly logger: Logger;
}

/**
 * Logs when the pod's node becomes unready, and when it is ready again. The command may still run:
 * only the end of its pod decides its outcome. Writes nothing to the host's stderr, because a host
 * that continues a process counts the bytes of the command's output there. Resolves when the signal
 * aborts. Never rejects.
 */
export async function noticeNodeReadiness({ pods, podName, logger, signal }: NodeNoticesOptions): Promise<void> {
  let wasNotReady = false;
  try {
    for await (const pod of pods.observe(podName, { signal })) {
      if (pod === undefined) return;
      const isNotReady = isNodeNotReady(pod);
      const facts = { podName, nodeName: pod.spec?.nodeName };
      if (isNotReady && !wasNotReady) logger.warn('node not ready; the command may still run there', facts);
      if (!isNotReady && wasNotReady) logger.info('node ready again', facts);
      wasNotReady = isNotReady;
    }
  } catch {
    // The signal has aborted, or the watch reports nothing.
  }
}
