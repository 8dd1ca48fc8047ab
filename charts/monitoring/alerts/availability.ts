import { type AlertGroup, ofReplica, ofService, where, worker } from './alert.ts';

export const availability: AlertGroup = {
  name: 'kubernetes-worker.availability',
  alerts: [
    {
      name: 'KubernetesWorkerDown',
      expr: 'absent(kubernetes_worker_build_info)',
      for: '5m',
      severity: 'critical',
      summary: 'No replica of kubernetes-worker is scraped',
      description: 'Nothing sends heartbeats, reaps or sweeps, or Prometheus does not reach the replicas.',
    },
    {
      name: 'KubernetesWorkerReplicaDown',
      expr: `up == 0 and on (${worker}) group by (${worker}) (last_over_time(kubernetes_worker_build_info[1h]))`,
      for: '5m',
      severity: 'warning',
      summary: `A replica of ${where} cannot be scraped`,
      description: '{{ $labels.instance }} does not answer scrapes. Another replica acts if one is left.',
    },
    {
      name: 'KubernetesWorkerNotReady',
      expr: `max by (${worker}) (kubernetes_worker_ready) == 0`,
      for: '5m',
      severity: 'critical',
      summary: `No replica of ${where} is ready`,
      description: 'A check of readyz fails in every replica. Its verbose answer names the check.',
    },
    {
      name: 'KubernetesWorkerRestarting',
      expr: `changes(process_start_time_seconds[30m]) > 2 ${ofReplica}`,
      for: '0m',
      severity: 'warning',
      summary: `A replica of ${where} restarts again and again`,
      description:
        '{{ $labels.instance }} has restarted {{ $value }} times in 30 minutes. Its last log lines have the cause.',
    },
    {
      name: 'KubernetesWorkerHeartbeatStale',
      expr: `(time() - max by (${worker}) (kubernetes_worker_heartbeat_timestamp_seconds)) > 90 ${ofService}`,
      for: '1m',
      severity: 'critical',
      summary: `${where} sends no heartbeats`,
      description: 'The worker is stalled: the API server, a store or the database did not answer a heartbeat.',
    },
    {
      name: 'KubernetesWorkerNoLeader',
      expr: `max by (${worker}) (kubernetes_worker_reaper_leader) == 0 ${ofService}`,
      for: '2m',
      severity: 'critical',
      summary: `No replica of ${where} leads`,
      description:
        'Nothing reaps, sweeps or sends heartbeats. A replica takes over within 15 seconds if the database answers.',
    },
    {
      name: 'KubernetesWorkerSeveralLeaders',
      expr: `sum by (${worker}) (kubernetes_worker_reaper_leader) > 1 ${ofService}`,
      for: '2m',
      severity: 'warning',
      summary: `Several replicas of ${where} lead`,
      description: 'One of {{ $value }} replicas was suspended or starved, or the replicas use different databases.',
    },
    {
      name: 'KubernetesWorkerConfigInvalid',
      expr: `sum by (${worker}) (increase(kubernetes_worker_config_reloads_total{outcome="INVALID"}[15m])) > 0`,
      for: '0m',
      severity: 'warning',
      summary: `${where} refuses its changed configuration`,
      description: 'The old configuration stays in force until a restart, which the new one would prevent.',
    },
    {
      name: 'KubernetesWorkerLogErrors',
      expr: `sum by (${worker}) (increase(kubernetes_worker_log_messages_total{level="error"}[15m])) > 10`,
      for: '5m',
      severity: 'warning',
      summary: `${where} logs errors`,
      description: '{{ $value | printf "%.0f" }} errors were logged in 15 minutes.',
    },
  ],
};
