import { type AlertGroup, ofReplica, where, worker } from './alert.ts';

export const processAlerts: AlertGroup = {
  name: 'kubernetes-worker.process',
  alerts: [
    {
      name: 'KubernetesWorkerEventLoopLag',
      expr: `nodejs_eventloop_delay_p99_seconds > 0.5 ${ofReplica}`,
      for: '10m',
      severity: 'warning',
      summary: `The event loop of ${where} is late`,
      description:
        '{{ $labels.instance }} runs its timers {{ $value | humanizeDuration }} late: it has too little CPU.',
    },
    {
      name: 'KubernetesWorkerMemoryNearLimit',
      expr: `process_resident_memory_bytes / on (${worker}, instance) kubernetes_worker_memory_limit_bytes > 0.9`,
      for: '10m',
      severity: 'warning',
      summary: `A replica of ${where} nears its memory limit`,
      description:
        '{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its limit, and is killed above it.',
    },
  ],
};
