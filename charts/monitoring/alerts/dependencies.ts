import { type AlertGroup, where, worker } from './alert.ts';

const requests = (labels: string): string =>
  `sum by (${worker}) (rate(kubernetes_worker_api_requests_total{${labels}}[10m]))`;

export const dependencies: AlertGroup = {
  name: 'kubernetes-worker.dependencies',
  alerts: [
    {
      name: 'KubernetesWorkerApiThrottled',
      expr: `${requests('status="429"')} / ${requests('')} > 0.05`,
      for: '10m',
      severity: 'warning',
      summary: `The API server throttles ${where}`,
      description:
        '{{ $value | humanizePercentage }} of the requests are answered with 429. Starts and transfers are slow.',
    },
    {
      name: 'KubernetesWorkerApiErrors',
      expr: `${requests('status=~"5..|none"')} / ${requests('')} > 0.05`,
      for: '10m',
      severity: 'warning',
      summary: `The API server fails requests of ${where}`,
      description: '{{ $value | humanizePercentage }} of the requests are not answered, or with an internal error.',
    },
    {
      name: 'KubernetesWorkerApiDenied',
      expr: `sum by (${worker}, verb, resource) (rate(kubernetes_worker_api_requests_total{status=~"401|403"}[10m])) > 0`,
      for: '5m',
      severity: 'warning',
      summary: `${where} lacks a permission`,
      description: 'The API server refuses {{ $labels.verb }} of {{ $labels.resource }}.',
    },
    {
      name: 'KubernetesWorkerWatchFlapping',
      expr: `sum by (${worker}) (increase(kubernetes_worker_watch_restarts_total{reason!="ended"}[10m])) > 20`,
      for: '10m',
      severity: 'warning',
      summary: `The watch of pods of ${where} begins again and again`,
      description: 'Something cuts connections to the API server: {{ $value | printf "%.0f" }} restarts in 10 minutes.',
    },
    {
      name: 'KubernetesWorkerDatabasePoolExhausted',
      expr: `max by (${worker}) (kubernetes_worker_database_connections{state="waiting"}) > 0`,
      for: '2m',
      severity: 'critical',
      summary: `Statements of ${where} wait for a connection to the database`,
      description: '{{ $value }} statements wait: statements are slow, or the pool is small.',
    },
    {
      name: 'KubernetesWorkerDatabaseUnavailable',
      expr: `sum by (${worker}) (rate(kubernetes_worker_database_statements_total{outcome="REPOSITORY_UNAVAILABLE"}[5m])) > 0`,
      for: '2m',
      severity: 'critical',
      summary: `The database of ${where} does not answer`,
      description: 'Statements fail after their retries. New steps fail, and running commands continue in their pods.',
    },
  ],
};
