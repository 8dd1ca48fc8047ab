import { errorBudget, errorRatio, startSeconds } from '../objectives.ts';
import { type Alert, type AlertGroup, where, worker } from './alert.ts';

const results = (labels: string): string => `kubernetes_worker_operation_results_total{${labels}}`;
const lost = 'POD_DELETED|POD_EVICTED|POD_FAILED|OUT_OF_MEMORY|CONTAINER_DISAPPEARED';

interface Burn {
  readonly name: string;
  readonly factor: number;
  readonly short: string;
  readonly long: string;
  readonly for: string;
  readonly severity: Alert['severity'];
}

/** Both windows burn: the long one shows that it matters, the short one that it has not ended. */
function burn({ name, factor, short, long, for: wait, severity }: Burn): Alert {
  const limit = Number((factor * errorBudget).toFixed(4));
  const by = ['namespace', 'job'];
  return {
    name,
    expr: `${errorRatio(short, { by })} > ${limit} and ${errorRatio(long, { by })} > ${limit}`,
    for: wait,
    severity,
    summary: `Steps of ${where} fail for reasons of the system`,
    description: `{{ $value | humanizePercentage }} of the steps fail, ${factor} times the budget or more, over ${short} and ${long}.`,
  };
}

export const steps: AlertGroup = {
  name: 'kubernetes-worker.steps',
  alerts: [
    {
      name: 'KubernetesWorkerPodStartSlow',
      expr: `histogram_quantile(0.95, sum by (${worker}, le) (rate(kubernetes_worker_operation_duration_seconds_bucket{operation="container.create"}[10m]))) > ${startSeconds}`,
      for: '10m',
      severity: 'warning',
      summary: `Containers of ${where} start slowly`,
      description:
        'The slowest 5 % of the creations take {{ $value | humanizeDuration }} or more. The dashboard has the phases.',
    },
    {
      name: 'KubernetesWorkerPodsUnschedulable',
      expr: `sum by (${worker}) (increase(${results('operation="container.create",outcome="POD_UNSCHEDULABLE"')}[10m])) > 0`,
      for: '5m',
      severity: 'warning',
      summary: `Pods of ${where} find no node`,
      description: 'The cluster has no room, or no node matches what the step requests.',
    },
    {
      name: 'KubernetesWorkerImagePullFailures',
      expr: `sum by (${worker}) (increase(${results('operation="container.create",outcome="IMAGE_PULL_FAILED"')}[5m])) > 5`,
      for: '2m',
      severity: 'warning',
      summary: `Images of ${where} cannot be pulled`,
      description:
        '{{ $value | printf "%.0f" }} creations failed in 5 minutes: the registry, its credentials or the name of an image.',
    },
    {
      name: 'KubernetesWorkerRegistryUnreachable',
      expr: `sum by (${worker}) (increase(kubernetes_worker_preflight_duration_seconds_count{outcome="NOT_CHECKED"}[15m])) > 5`,
      for: '5m',
      severity: 'info',
      summary: `${where} cannot check images in their registry`,
      description: 'Steps start without the check, so a missing image shows late, when a node fails to pull it.',
    },
    {
      name: 'KubernetesWorkerPodsLost',
      expr: `sum by (${worker}) (increase(${results(`operation="process.run",outcome=~"${lost}"`)}[15m])) > 5`,
      for: '0m',
      severity: 'warning',
      summary: `${where} loses pods of running steps`,
      description:
        '{{ $value | printf "%.0f" }} processes ended with their pods in 15 minutes: evictions, memory or drains.',
    },
    {
      name: 'KubernetesWorkerOutcomeUnknown',
      expr: `sum by (${worker}) (increase(${results('operation="process.run",outcome="OUTCOME_UNKNOWN"')}[15m])) > 0`,
      for: '0m',
      severity: 'critical',
      summary: `${where} does not know how a process ended`,
      description: 'Neither the pod nor the database has the result. A person decides whether the step may run again.',
    },
    {
      name: 'KubernetesWorkerQuotaFull',
      expr: `max by (${worker}) (kubernetes_worker_quota_queue) > 0`,
      for: '15m',
      severity: 'warning',
      summary: `Creations of ${where} wait for room in a quota`,
      description: '{{ $value }} creations wait. The quota of the namespace is the limit of the worker.',
    },
    {
      name: 'KubernetesWorkerConnectionsExhausted',
      expr: `max by (${worker}, use) (kubernetes_worker_connections{state="waiting"}) > 0`,
      for: '5m',
      severity: 'warning',
      summary: `Calls of ${where} wait for a connection to a pod`,
      description: 'All places of the use {{ $labels.use }} are taken, and {{ $value }} calls wait.',
    },
    burn({
      name: 'KubernetesWorkerErrorBudgetBurnFast',
      factor: 14.4,
      short: '5m',
      long: '1h',
      for: '2m',
      severity: 'critical',
    }),
    burn({
      name: 'KubernetesWorkerErrorBudgetBurn',
      factor: 6,
      short: '30m',
      long: '6h',
      for: '15m',
      severity: 'critical',
    }),
    burn({
      name: 'KubernetesWorkerErrorBudgetBurnSlow',
      factor: 1,
      short: '6h',
      long: '3d',
      for: '1h',
      severity: 'warning',
    }),
  ],
};
