import { type Meter, metrics, ValueType } from '@opentelemetry/api';

import type { ReapResult } from '../runtime/reap-result.ts';
import type { WorkerState } from '../runtime/worker-lifecycle.ts';
import { observableGauge } from './observable-gauge.ts';

/** Receives what keeps a worker in order: heartbeats and passes of the reaper. Dispose it with them. */
export interface UpkeepObserver extends Disposable {
  /** Whether this host runs the passes of the present period. */
  readonly isLeader: boolean;
  /** A pass has ended without a failure, and tried everything. */
  reaped(counts: Omit<ReapResult, 'complete'>): void;
  /** What a pass has found without a row, and not deleted. */
  leftBehind(counts: LeftBehind): void;
  /** Whether this host runs the passes of the present period. */
  leads(isLeader: boolean): void;
  /** A heartbeat was recorded, and found the worker in this state. */
  beat(state: WorkerState): void;
}

/** Unused objects that belong to the worker in the cluster. */
export interface LeftBehind {
  /** Pods without a row. */
  readonly pods: number;
  /** Config maps of old agents. */
  readonly configMaps: number;
}

const orphanOptions = {
  valueType: ValueType.INT,
  description: 'Objects without a use that the last pass has found and not deleted, by kind; aggregate with max',
  unit: '{object}',
};

const stateOptions = {
  valueType: ValueType.INT,
  description: 'The state of the worker at the last heartbeat of this process: 1 for the state, 0 for the others',
};

const states: readonly WorkerState[] = ['running', 'stalled', 'landing', 'landed', 'retiring'];

/**
 * Records the upkeep of a worker as OpenTelemetry metrics, which `docs/metrics.md` lists.
 *
 * @param now - the clock, in milliseconds since the epoch
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function upkeepMetrics(now: () => number, meter: Meter = metrics.getMeter('kubernetes-worker')): UpkeepObserver {
  const deleted = meter.createCounter('kubernetes_worker.reaper.deleted', {
    valueType: ValueType.INT,
    description: 'What the reaper of this process has deleted, by kind',
    unit: '{object}',
  });
  const facts: { reapedAt?: number; beatAt?: number; leader?: boolean; state?: WorkerState; left?: LeftBehind } = {};
  const gauges = [
    gauge(meter, 'kubernetes_worker.reaper.last_success.timestamp', {
      description: 'When a complete pass of the reaper of this process ended last, since the epoch; aggregate with max',
      unit: 's',
      value: () => inSeconds(facts.reapedAt),
    }),
    gauge(meter, 'kubernetes_worker.reaper.leader', {
      description: 'Whether this process ran the last pass of the reaper that was due: 1 or 0',
      unit: '',
      value: () => (facts.leader === undefined ? undefined : Number(facts.leader)),
    }),
    gauge(meter, 'kubernetes_worker.heartbeat.timestamp', {
      description: 'When this process sent the last heartbeat, since the epoch; aggregate with max',
      unit: 's',
      value: () => inSeconds(facts.beatAt),
    }),
    observableGauge(meter, 'kubernetes_worker.worker.state', stateOptions, (result) => {
      if (facts.state === undefined) return;
      for (const state of states) result.observe(Number(state === facts.state), { state });
    }),
  ];
  gauges.push(
    observableGauge(meter, 'kubernetes_worker.reaper.orphans', orphanOptions, (result) => {
      if (facts.left === undefined) return;
      result.observe(facts.left.pods, { kind: 'pod' });
      result.observe(facts.left.configMaps, { kind: 'config_map' });
    }),
  );
  return {
    get isLeader() {
      return facts.leader ?? false;
    },
    reaped: (counts) => {
      facts.reapedAt = now();
      for (const [kind, count] of kindsOf(counts)) deleted.add(count, { kind });
    },
    leftBehind: (counts) => {
      facts.left = counts;
    },
    leads: (isLeader) => {
      facts.leader = isLeader;
      // From now on, another process reports these values.
      if (!isLeader) delete facts.left;
    },
    beat: (state) => {
      facts.beatAt = now();
      facts.state = state;
    },
    [Symbol.dispose]: () => {
      for (const each of gauges) each[Symbol.dispose]();
    },
  };
}

interface GaugeOptions {
  readonly description: string;
  readonly unit: string;
  readonly value: () => number | undefined;
}

function gauge(meter: Meter, name: string, { value, ...options }: GaugeOptions): Disposable {
  return observableGauge(meter, name, options, (result) => {
    const observed = value();
    if (observed !== undefined) result.observe(observed);
  });
}

function inSeconds(timeMs: number | undefined): number | undefined {
  return timeMs === undefined ? undefined : timeMs / 1000;
}

function kindsOf(counts: Omit<ReapResult, 'complete'>): readonly (readonly [kind: string, count: number])[] {
  return [
    ['pod', counts.deletedPods],
    ['container', counts.deletedContainers],
    ['volume', counts.deletedVolumes],
    ['config_map', counts.deletedConfigMaps],
    ['archive', counts.deletedArchives],
    ['key', counts.deletedKeys],
  ];
}
