import { type AlertGroup, ofService, where, worker } from './alert.ts';

const lastPass = `max by (${worker}) (kubernetes_worker_reaper_last_success_timestamp_seconds)`;
const orphans = `max by (${worker}, kind) (kubernetes_worker_reaper_orphans)`;
const unneeded = `max by (${worker}) (kubernetes_worker_containers{state="destroying"})`;

export const upkeep: AlertGroup = {
  name: 'kubernetes-worker.upkeep',
  alerts: [
    {
      name: 'KubernetesWorkerReaperStalled',
      // A leader that has never completed a pass has no time of one.
      expr: `((time() - ${lastPass}) > 300 or max by (${worker}) (kubernetes_worker_reaper_leader) == 1 unless ${lastPass}) ${ofService}`,
      for: '5m',
      severity: 'warning',
      summary: `The reaper of ${where} completes no pass`,
      description: 'Pods, volumes and archives that are no longer needed stay. The log names what fails.',
    },
    {
      name: 'KubernetesWorkerOrphansGrowing',
      expr: `min_over_time((${orphans})[30m:1m]) > 0 and deriv((${orphans})[30m:1m]) > 0`,
      for: '15m',
      severity: 'warning',
      summary: `${where} has ever more orphans of the kind {{ $labels.kind }}`,
      description: 'The reaper finds {{ $value }} objects or more without a use, and cannot delete them.',
    },
    {
      name: 'KubernetesWorkerDeletionsStuck',
      expr: `min_over_time((${unneeded})[30m:1m]) > 0 and deriv((${unneeded})[30m:1m]) > 0`,
      for: '15m',
      severity: 'warning',
      summary: `${where} deletes containers more slowly than they end`,
      description: 'The number of containers that wait for their deletion grows: at least {{ $value }}.',
    },
    {
      name: 'KubernetesWorkerInventoryStale',
      expr: `(time() - max by (${worker}) (kubernetes_worker_inventory_timestamp_seconds)) > 900`,
      for: '5m',
      severity: 'info',
      summary: `${where} does not count its containers and stores`,
      description: 'The numbers of containers, volumes and stores are old, and alerts on them are blind.',
    },
  ],
};
