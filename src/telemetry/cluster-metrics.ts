import { type Meter, metrics, ValueType } from '@opentelemetry/api';

import { observableGauge } from './observable-gauge.ts';

/** A response of the API server, or the lack of one. */
export interface ApiReport {
  /** As RBAC names it. */
  readonly verb: string;
  /** As RBAC names it. */
  readonly resource: string;
  /** The HTTP status, or `none` without a response. */
  readonly status: number | 'none';
  readonly durationMs: number;
}

/** Receives a report of each request, retries included. */
export type ApiObserver = (report: ApiReport) => void;

/**
 * Records requests to the API server as OpenTelemetry metrics, which `docs/metrics.md` lists. The
 * duration has the verb only, because each resource would have all its buckets.
 *
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function apiMetrics(meter: Meter = metrics.getMeter('kubernetes-worker')): ApiObserver {
  const duration = meter.createHistogram('kubernetes_worker.api.duration', {
    description: 'How long the API server took to respond to a request, by verb; of a watch, until it began',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] },
  });
  const requests = meter.createCounter('kubernetes_worker.api.requests', {
    valueType: ValueType.INT,
    description: 'Requests to the API server, retries included, by verb, resource and HTTP status',
    unit: '{request}',
  });
  return ({ verb, resource, status, durationMs }) => {
    duration.record(durationMs / 1000, { verb });
    requests.add(1, { verb, resource, status: String(status) });
  };
}

/** Receives what happens to the watch of pods. Dispose it with the watch. */
export interface WatchObserver extends Disposable {
  /** The watch has received a list or a change. */
  received(): void;
  /** The watch lists again. `expired`: the server no longer had the version. */
  restarted(reason: 'ended' | 'expired' | 'failed'): void;
  /** Nothing is watched. */
  stopped(): void;
}

/**
 * Records the watch of pods as OpenTelemetry metrics, which `docs/metrics.md` lists.
 *
 * @param now - the clock, in milliseconds
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function watchMetrics(now: () => number, meter: Meter = metrics.getMeter('kubernetes-worker')): WatchObserver {
  const restarts = meter.createCounter('kubernetes_worker.watch.restarts', {
    valueType: ValueType.INT,
    description: 'Lists of pods after the first one, by why the watch before has ended',
    unit: '{restart}',
  });
  for (const reason of ['ended', 'expired', 'failed']) restarts.add(0, { reason });
  let receivedAt: number | undefined;
  const options = {
    description: 'Time since the watch of pods has received anything; 0 while nothing is watched',
    unit: 's',
  };
  const age = observableGauge(meter, 'kubernetes_worker.watch.age', options, (result) => {
    result.observe(receivedAt === undefined ? 0 : Math.max(0, now() - receivedAt) / 1000);
  });
  return {
    ...age,
    received: () => {
      receivedAt = now();
    },
    restarted: (reason) => restarts.add(1, { reason }),
    stopped: () => {
      receivedAt = undefined;
    },
  };
}

/** Receives how long creations have waited for room. Dispose it with the queue. */
export interface QuotaObserver extends Disposable {
  waited(durationMs: number): void;
}

/**
 * Records the queue of creations that wait for room in a quota as OpenTelemetry metrics.
 *
 * @param length - returns the length of the queue
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function quotaMetrics(
  length: () => number,
  meter: Meter = metrics.getMeter('kubernetes-worker'),
): QuotaObserver {
  const wait = meter.createHistogram('kubernetes_worker.quota.wait', {
    description: 'How long a creation of a pod has waited for room in a quota of the namespace',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.5, 1, 2, 5, 10, 30, 60, 120, 300] },
  });
  const options = {
    valueType: ValueType.INT,
    description: 'Creations of pods that wait for room in a quota of the namespace',
    unit: '{pod}',
  };
  const queue = observableGauge(meter, 'kubernetes_worker.quota.queue', options, (result) => result.observe(length()));
  return { ...queue, waited: (durationMs) => wait.record(durationMs / 1000) };
}
