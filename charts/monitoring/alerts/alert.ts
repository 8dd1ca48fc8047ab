/** How soon a person looks: at once, in working hours, or when there is time. */
export type Severity = 'critical' | 'warning' | 'info';

/** An alert of Prometheus. Its runbook is the section of its name in docs/monitoring.md. */
export interface Alert {
  readonly name: string;
  readonly expr: string;
  /** How long the expression holds before the alert fires, such as `5m`. */
  readonly for: string;
  readonly severity: Severity;
  /** One line, which may use labels: `{{ $labels.job }}`. */
  readonly summary: string;
  /** What it means for users, and where to look first. */
  readonly description: string;
}

export interface AlertGroup {
  readonly name: string;
  readonly alerts: readonly Alert[];
}

/** The labels that identify a worker's replicas. A host that records metrics has a job of its own. */
export const worker = 'namespace, job';

/** Restricts a vector to the jobs of the service. A host does not have this series. */
export const ofService = `and on (${worker}) group by (${worker}) (kubernetes_worker_build_info)`;

/** Restricts a vector to the replicas of the service. */
export const ofReplica = 'and on (namespace, job, instance) kubernetes_worker_build_info';

/** The worker, in texts. */
export const where = '{{ $labels.job }} in {{ $labels.namespace }}';
