/** The limits of every alert of the chart, a second time: a change of one is then intended. */
import { ageLimit, begin, gaugeLimit, growthLimit, increaseLimit, type LimitCase, ratioLimit } from './limit-cases.ts';
import { type Course, counter, gauge, hour, minute, type Series, series } from './promtool-series.ts';

const build = series('kubernetes_worker_build_info');
const isService: Series = { [build]: gauge({ 0: 1 }, 3 * hour, 10) };

const alone =
  (name: string, labels = '') =>
  (samples: string): Series => ({ [series(name, labels)]: samples });
const ofService =
  (name: string) =>
  (samples: string): Series => ({ ...isService, ...alone(name)(samples) });

const results = (operation: string, outcome: string): string =>
  series('kubernetes_worker_operation_results_total', `operation="${operation}",outcome="${outcome}"`);
const requests = (status: number): string =>
  series('kubernetes_worker_api_requests_total', `verb="get",resource="pods",status="${status}"`);
const transfers = (outcome: string): string =>
  series('kubernetes_worker_transfer_duration_seconds_count', `outcome="${outcome}"`);
const steps = { bad: results('process.run', 'POD_FAILED'), good: results('process.run', 'OK') };

/** The free bytes of a store of 1,000. */
const free = (samples: string): Series => ({
  [series('kubernetes_worker_store_capacity_bytes', 'store="pvc"')]: gauge({ 0: 1_000 }, 3 * hour, 10),
  ...alone('kubernetes_worker_store_free_bytes', 'store="pvc"')(samples),
});

/** A histogram of creations of containers, of which a part takes more than a minute. */
function creations(slow: number): Series {
  const during = (perMinute: number): Course => ({ 0: 0, [begin]: perMinute, [hour]: 0 });
  const bucket = (le: string, perMinute: number): Series => {
    const labels = `operation="container.create",le="${le}"`;
    const samples = counter(during(perMinute), 2 * hour, 10);
    return alone('kubernetes_worker_operation_duration_seconds_bucket', labels)(samples);
  };
  return { ...bucket('60', 600 * (1 - slow)), ...bucket('120', 600), ...bucket('+Inf', 600) };
}

/** The cases of each alert, by its name. */
export const alertLimits: Readonly<Record<string, readonly LimitCase[]>> = {
  KubernetesWorkerDown: [
    gaugeLimit({ well: 1, bad: undefined, waitSeconds: 300, of: alone('kubernetes_worker_build_info') }),
  ],
  KubernetesWorkerReplicaDown: [
    {
      title: 'fires after 5 minutes, for an hour after the last scrape',
      stepSeconds: 10,
      series: {
        [series('up')]: gauge({ 0: 1, [begin]: 0 }, 2 * hour, 10),
        [build]: gauge({ 0: 1, [begin]: undefined }, 2 * hour, 10),
      },
      silent: [begin + 290, begin + hour + 10],
      firing: [begin + 300, begin + hour - 20],
    },
  ],
  KubernetesWorkerNotReady: [gaugeLimit({ well: 1, bad: 0, waitSeconds: 300, of: alone('kubernetes_worker_ready') })],
  KubernetesWorkerRestarting: [
    {
      title: 'fires at the third restart, until the first one is half an hour ago',
      stepSeconds: 10,
      series: ofService('process_start_time_seconds')(
        gauge({ 0: 1, [begin]: 2, [begin + 60]: 3, [begin + 120]: 4 }, 2 * hour, 10),
      ),
      silent: [begin + 110, begin + 30 * minute + 10],
      firing: [begin + 120, begin + 30 * minute - 20],
    },
  ],
  KubernetesWorkerHeartbeatStale: [
    ageLimit({
      aboveSeconds: 90,
      waitSeconds: 60,
      of: ofService('kubernetes_worker_heartbeat_timestamp_seconds'),
    }),
  ],
  KubernetesWorkerNoLeader: [
    gaugeLimit({ well: 1, bad: 0, waitSeconds: 120, of: ofService('kubernetes_worker_reaper_leader') }),
  ],
  KubernetesWorkerSeveralLeaders: [
    gaugeLimit({ well: 1, bad: 2, waitSeconds: 120, of: ofService('kubernetes_worker_reaper_leader') }),
  ],
  KubernetesWorkerConfigInvalid: increaseLimit({
    above: 0,
    windowSeconds: 900,
    waitSeconds: 0,
    name: series('kubernetes_worker_config_reloads_total', 'outcome="INVALID"'),
  }),
  KubernetesWorkerLogErrors: increaseLimit({
    above: 10,
    windowSeconds: 900,
    waitSeconds: 300,
    name: series('kubernetes_worker_log_messages_total', 'level="error"'),
  }),
  KubernetesWorkerReaperStalled: [
    ageLimit({
      aboveSeconds: 300,
      waitSeconds: 300,
      of: ofService('kubernetes_worker_reaper_last_success_timestamp_seconds'),
    }),
    gaugeLimit({ well: 0, bad: 1, waitSeconds: 300, of: ofService('kubernetes_worker_reaper_leader') }),
  ],
  KubernetesWorkerOrphansGrowing: [growthLimit(series('kubernetes_worker_reaper_orphans', 'kind="pod"'))],
  KubernetesWorkerDeletionsStuck: [growthLimit(series('kubernetes_worker_containers', 'state="destroying"'))],
  KubernetesWorkerInventoryStale: [
    ageLimit({
      aboveSeconds: 900,
      waitSeconds: 300,
      of: alone('kubernetes_worker_inventory_timestamp_seconds'),
    }),
  ],
  KubernetesWorkerPodStartSlow: [
    {
      title: 'does not fire if 4 % take more than a minute',
      stepSeconds: 10,
      series: creations(0.04),
      silent: [begin + 620, hour],
      firing: [],
    },
    {
      title: 'fires after 10 minutes if 6 % take more than a minute, until that is 10 minutes ago',
      stepSeconds: 10,
      series: creations(0.06),
      silent: [begin + 590, hour + 620],
      firing: [begin + 620, hour + 580],
    },
  ],
  KubernetesWorkerPodsUnschedulable: increaseLimit({
    above: 0,
    windowSeconds: 600,
    waitSeconds: 300,
    name: results('container.create', 'POD_UNSCHEDULABLE'),
  }),
  KubernetesWorkerImagePullFailures: increaseLimit({
    above: 5,
    windowSeconds: 300,
    waitSeconds: 120,
    name: results('container.create', 'IMAGE_PULL_FAILED'),
  }),
  KubernetesWorkerRegistryUnreachable: increaseLimit({
    above: 5,
    windowSeconds: 900,
    waitSeconds: 300,
    name: series('kubernetes_worker_preflight_duration_seconds_count', 'outcome="NOT_CHECKED"'),
  }),
  KubernetesWorkerPodsLost: increaseLimit({
    above: 5,
    windowSeconds: 900,
    waitSeconds: 0,
    name: results('process.run', 'POD_EVICTED'),
  }),
  KubernetesWorkerOutcomeUnknown: increaseLimit({
    above: 0,
    windowSeconds: 900,
    waitSeconds: 0,
    name: results('process.run', 'OUTCOME_UNKNOWN'),
  }),
  KubernetesWorkerQuotaFull: [
    gaugeLimit({ well: 0, bad: 1, waitSeconds: 900, of: alone('kubernetes_worker_quota_queue') }),
  ],
  KubernetesWorkerConnectionsExhausted: [
    gaugeLimit({
      well: 0,
      bad: 1,
      waitSeconds: 300,
      of: alone('kubernetes_worker_connections', 'use="upload",state="waiting"'),
    }),
  ],
  KubernetesWorkerErrorBudgetBurnFast: ratioLimit({
    ...steps,
    above: 0.144,
    shortSeconds: 300,
    longSeconds: hour,
    waitSeconds: 120,
  }),
  KubernetesWorkerErrorBudgetBurn: ratioLimit({
    ...steps,
    above: 0.06,
    shortSeconds: 30 * minute,
    longSeconds: 6 * hour,
    waitSeconds: 15 * minute,
    stepSeconds: 60,
  }),
  KubernetesWorkerErrorBudgetBurnSlow: ratioLimit({
    ...steps,
    above: 0.01,
    shortSeconds: 6 * hour,
    longSeconds: 72 * hour,
    waitSeconds: hour,
    stepSeconds: 600,
  }),
  KubernetesWorkerTransfersFail: ratioLimit({
    above: 0.05,
    shortSeconds: 600,
    waitSeconds: 600,
    bad: transfers('DIGEST_MISMATCH'),
    good: transfers('OK'),
  }),
  KubernetesWorkerOutputsNotSaved: increaseLimit({
    above: 0,
    windowSeconds: 600,
    waitSeconds: 0,
    name: results('outputs.save', 'STORE_UNAVAILABLE'),
  }),
  KubernetesWorkerStoreUnavailable: [
    gaugeLimit({
      well: 1,
      bad: 0,
      waitSeconds: 300,
      of: alone('kubernetes_worker_check_passed', 'check="store:pvc"'),
    }),
  ],
  KubernetesWorkerStoreFilling: [gaugeLimit({ well: 260, bad: 240, waitSeconds: 900, of: free })],
  KubernetesWorkerStoreFull: [gaugeLimit({ well: 110, bad: 90, waitSeconds: 300, of: free })],
  KubernetesWorkerStoreWillFill: [
    {
      title: 'fires after an hour in which no byte is free a day later',
      stepSeconds: 300,
      series: alone('kubernetes_worker_store_free_bytes', 'store="pvc"')(counter({ 0: -1 / 60 }, 20 * hour, 300, 40)),
      silent: [17 * hour - 300],
      firing: [17 * hour + 600],
    },
    {
      title: 'fires 205 minutes after a store of 100 bytes begins to lose 10 an hour, by the trend of six hours',
      stepSeconds: 300,
      series: alone(
        'kubernetes_worker_store_free_bytes',
        'store="pvc"',
      )(counter({ 0: 0, [20 * hour]: -1 / 6 }, 30 * hour, 300, 100)),
      silent: [20 * hour + 195 * minute],
      firing: [20 * hour + 215 * minute],
    },
  ],
  KubernetesWorkerApiThrottled: ratioLimit({
    above: 0.05,
    shortSeconds: 600,
    waitSeconds: 600,
    bad: requests(429),
    good: requests(200),
  }),
  KubernetesWorkerApiErrors: ratioLimit({
    above: 0.05,
    shortSeconds: 600,
    waitSeconds: 600,
    bad: requests(500),
    good: requests(200),
  }),
  KubernetesWorkerApiDenied: increaseLimit({
    above: 0,
    windowSeconds: 600,
    waitSeconds: 300,
    name: requests(403),
  }),
  KubernetesWorkerWatchFlapping: increaseLimit({
    above: 20,
    windowSeconds: 600,
    waitSeconds: 600,
    name: series('kubernetes_worker_watch_restarts_total', 'reason="failed"'),
  }),
  KubernetesWorkerDatabasePoolExhausted: [
    gaugeLimit({
      well: 0,
      bad: 1,
      waitSeconds: 120,
      of: alone('kubernetes_worker_database_connections', 'state="waiting"'),
    }),
  ],
  KubernetesWorkerDatabaseUnavailable: increaseLimit({
    above: 0,
    windowSeconds: 300,
    waitSeconds: 120,
    name: series('kubernetes_worker_database_statements_total', 'outcome="REPOSITORY_UNAVAILABLE"'),
  }),
  KubernetesWorkerEventLoopLag: [
    gaugeLimit({ well: 0.49, bad: 0.51, waitSeconds: 600, of: ofService('nodejs_eventloop_delay_p99_seconds') }),
  ],
  KubernetesWorkerMemoryNearLimit: [
    gaugeLimit({
      well: 890,
      bad: 910,
      waitSeconds: 600,
      of: (samples) => ({
        ...alone('kubernetes_worker_memory_limit_bytes')(gauge({ 0: 1_000 }, 3 * hour, 10)),
        ...alone('process_resident_memory_bytes')(samples),
      }),
    }),
  ],
};
