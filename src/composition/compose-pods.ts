import type { EmitEvent } from '../events/emit-event.ts';
import { hostMask } from '../internal/host-mask.ts';
import { silentLogger } from '../internal/silent-logger.ts';
import { installationSelector, workerSelector } from '../kubernetes/pod-spec/labels.ts';
import { PodWatch } from '../kubernetes/pod-state/pod-watch.ts';
import { polling } from '../kubernetes/pod-state/polled-pods.ts';
import { PodLauncher } from '../pods/pod-launcher.ts';
import { PodLogs } from '../pods/pod-logs.ts';
import { PodRemover } from '../pods/pod-remover.ts';
import { PodSupervisor } from '../pods/pod-supervisor.ts';
import { QuotaQueue } from '../pods/quota-queue.ts';
import { quotaMetrics, watchMetrics } from '../telemetry/cluster-metrics.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { type KubernetesWorkerOptions, withDefaults } from '../worker-options.ts';
import type { Foundations } from './foundations.ts';

/** What creates, observes and removes the pods of a worker. */
export interface WorkerPods {
  readonly launcher: PodLauncher;
  readonly pods: PodSupervisor;
  readonly remover: PodRemover;
  readonly logs: PodLogs;
  readonly quotaQueue: QuotaQueue;
  /** Ends the watch and the metrics. */
  readonly close: () => void;
}

export function composePods(
  options: KubernetesWorkerOptions,
  { cluster, installationId, delivery, agents: { pool: agents }, clock }: Foundations,
  { emit, tracing }: { readonly emit: EmitEvent; readonly tracing: Tracing },
): WorkerPods {
  const { name: workerName, labelPrefix, images, logger = silentLogger } = options;
  const { startTimeoutMs, imagePullTimeoutMs, schedulingTimeoutMs, reconnectTimeoutMs, maxWaitingForQuota } =
    withDefaults(options);
  const timeouts = {
    startMs: startTimeoutMs,
    schedulingMs: schedulingTimeoutMs,
    imagePullMs: imagePullTimeoutMs,
    reconnectMs: reconnectTimeoutMs,
  };
  const quota = quotaMetrics(() => quotaQueue.length);
  const quotaQueue = new QuotaQueue({
    clock,
    limitMs: schedulingTimeoutMs,
    maxWaiting: maxWaitingForQuota,
    waited: (durationMs) => quota.waited(durationMs),
  });
  const launcher = new PodLauncher({
    cluster,
    workerName,
    installationId,
    delivery,
    podOptions: options.pods ?? {},
    labelPrefix,
    pullPolicy: images?.pullPolicy,
    clock,
    logger,
    timeouts,
    quotaQueue,
  });
  const observer = watchMetrics(() => clock.now());
  const watching = { cluster, labelSelector: workerSelector(installationId, workerName), clock, logger, observer };
  const watch = new PodWatch(options.podObservation === 'poll' ? polling(watching) : watching);
  const mask = hostMask(options.mask, logger);
  return {
    launcher,
    pods: new PodSupervisor({ cluster, watch, agents, delivery, clock, logger, timeouts, mask }),
    remover: new PodRemover({
      cluster,
      installationSelector: installationSelector(installationId),
      watch,
      agents,
      clock,
      emit,
      tracing,
    }),
    logs: new PodLogs({ cluster, clock, logger }),
    quotaQueue,
    close: () => {
      observer[Symbol.dispose]();
      quota[Symbol.dispose]();
      watch.close();
    },
  };
}
