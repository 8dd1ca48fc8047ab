import { type AlertGroup, where, worker } from './alert.ts';

const by = `${worker}, store`;
const free = `max by (${by}) (kubernetes_worker_store_free_bytes)`;
const used = `1 - ${free} / max by (${by}) (kubernetes_worker_store_capacity_bytes)`;
const ended = 'kubernetes_worker_transfer_duration_seconds_count';

export const storage: AlertGroup = {
  name: 'kubernetes-worker.storage',
  alerts: [
    {
      name: 'KubernetesWorkerTransfersFail',
      expr: `sum by (${worker}) (rate(${ended}{outcome!~"OK|CANCELLED"}[10m])) / sum by (${worker}) (rate(${ended}[10m])) > 0.05`,
      for: '10m',
      severity: 'warning',
      summary: `Transfers of ${where} fail`,
      description: '{{ $value | humanizePercentage }} of the transfers of volumes fail, after all retries.',
    },
    {
      name: 'KubernetesWorkerOutputsNotSaved',
      expr: `sum by (${worker}) (increase(kubernetes_worker_operation_results_total{operation="outputs.save",outcome!~"OK|CANCELLED"}[10m])) > 0`,
      for: '0m',
      severity: 'warning',
      summary: `Outputs of ${where} are not saved`,
      description: 'Outputs are in their pods only, and are lost with them. The archive store did not take them.',
    },
    {
      name: 'KubernetesWorkerStoreUnavailable',
      expr: `max by (${worker}, check) (kubernetes_worker_check_passed{check=~"store:.*"}) == 0`,
      for: '5m',
      severity: 'critical',
      summary: `A store of ${where} does not answer`,
      description: 'The check {{ $labels.check }} fails in every replica: steps wait for it, or fail.',
    },
    {
      name: 'KubernetesWorkerStoreFilling',
      expr: `${used} > 0.75`,
      for: '15m',
      severity: 'warning',
      summary: `The store {{ $labels.store }} of ${where} fills`,
      description: '{{ $value | humanizePercentage }} of the store are used.',
    },
    {
      name: 'KubernetesWorkerStoreFull',
      expr: `${used} > 0.9`,
      for: '5m',
      severity: 'critical',
      summary: `The store {{ $labels.store }} of ${where} is nearly full`,
      description: '{{ $value | humanizePercentage }} of the store are used. Outputs are soon not saved.',
    },
    {
      name: 'KubernetesWorkerStoreWillFill',
      expr: `predict_linear((${free})[6h:5m], 86400) < 0`,
      for: '1h',
      severity: 'warning',
      summary: `The store {{ $labels.store }} of ${where} is full within a day`,
      description: 'At the pace of the last 6 hours, no byte is free in 24 hours.',
    },
  ],
};
