import { type Meter, metrics, ValueType } from '@opentelemetry/api';

/** Describes how a transfer between an archive store and a pod or the host ended, for metrics. */
export interface ArchiveReport {
  /** The name of the store. */
  readonly store: string;
  /** Into the store, or out of it. */
  readonly direction: 'in' | 'out';
  /** `OK`, `UNCHANGED`, `CANCELLED`, the code of an error without its prefix, or `OTHER`. */
  readonly outcome: string;
  /** The stored bytes that moved. */
  readonly bytes: number;
  readonly durationMs: number;
}

/** Receives the report of each transfer once. */
export type ArchiveObserver = (report: ArchiveReport) => void;

/**
 * Records transfers of archives as OpenTelemetry metrics, which `docs/metrics.md` lists.
 *
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function archiveMetrics(meter: Meter = metrics.getMeter('kubernetes-worker')): ArchiveObserver {
  const duration = meter.createHistogram('kubernetes_worker.archive.duration', {
    description: 'How long a transfer into or out of an archive store took, by store, direction and outcome',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800] },
  });
  const bytes = meter.createCounter('kubernetes_worker.archive.bytes', {
    valueType: ValueType.INT,
    description: 'Stored bytes moved into and out of archive stores',
    unit: 'By',
  });
  return ({ store, direction, outcome, ...report }) => {
    duration.record(report.durationMs / 1000, { store, direction, outcome });
    bytes.add(report.bytes, { store, direction });
  };
}
