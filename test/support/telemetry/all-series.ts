import { archiveMetrics } from '../../../src/telemetry/archive-metrics.ts';
import { cacheMetrics } from '../../../src/telemetry/cache-metrics.ts';
import { apiMetrics, quotaMetrics, watchMetrics } from '../../../src/telemetry/cluster-metrics.ts';
import { connectionMetrics } from '../../../src/telemetry/connection-metrics.ts';
import { poolMetrics, statementMetrics } from '../../../src/telemetry/database-metrics.ts';
import { inventoryMetrics } from '../../../src/telemetry/inventory-metrics.ts';
import { OpenTelemetryTracing } from '../../../src/telemetry/open-telemetry-tracing.ts';
import { preflightMetrics } from '../../../src/telemetry/preflight-metrics.ts';
import { transferMetrics } from '../../../src/telemetry/transfer-metrics.ts';
import { upkeepMetrics } from '../../../src/telemetry/upkeep-metrics.ts';

/** The instruments of the library, with the meter of the process. */
export class AllSeries implements Disposable {
  readonly tracing = new OpenTelemetryTracing({ clock: { now: () => 0 } });
  readonly #watch = watchMetrics(() => 1_000);
  readonly #upkeep = upkeepMetrics(() => 1_000);
  readonly #quota = quotaMetrics(() => 2);
  readonly #pool = poolMetrics(() => ({ used: 1, idle: 2, waiting: 0, limit: 10 }));
  readonly #connections = connectionMetrics(() => ({ upload: { used: 1, waiting: 2, limit: 32 } }));
  readonly #inventory = inventoryMetrics({
    measure: async () => ({
      containers: { created: 3 },
      volumes: { created: 4 },
      stores: [{ store: 'pvc', archivedBytes: 5, usage: { totalBytes: 100, freeBytes: 60 } }],
    }),
    isLeader: () => true,
    now: () => 1_000,
    onError: () => {},
  });
  readonly #api = apiMetrics();
  readonly #statement = statementMetrics();
  readonly #archive = archiveMetrics();
  readonly #cache = cacheMetrics();
  readonly #preflight = preflightMetrics();
  readonly #transfer = transferMetrics();

  /** Records a build with this name, once with each instrument. */
  async build(name: string): Promise<void> {
    const { tracing } = this;
    const facts = { containerHandle: name, podName: name, pipelineName: name, taskName: name };
    await tracing.span('container.create', facts, async (span) => {
      for (const operation of ['pod.create', 'pod.ready', 'pod.schedule', 'image.pull', 'agent.connect'] as const)
        span.begin(operation, { podName: name }).end();
      span.begin('inputs.stream-in', { volumeHandle: name, mountPath: name }).end();
    });
    const run = tracing.begin('process.run', { processId: name });
    for (const operation of ['process.exec', 'process.wait', 'outputs.save'] as const) run.begin(operation).end();
    run.fail(new Error(name));
    for (const operation of ['volume.stream-in', 'volume.stream-out', 'pod.delete', 'reaper.pass'] as const)
      tracing.begin(operation, { volumeHandle: name }).end();
    tracing.begin('heartbeat', { workerName: name }).end();
    this.#upkeep.beat('running');
    this.#upkeep.leads(true);
    this.#upkeep.leftBehind({ pods: 1, configMaps: 0 });
    this.#upkeep.reaped({
      deletedPods: 1,
      deletedContainers: 1,
      deletedVolumes: 1,
      deletedConfigMaps: 0,
      deletedArchives: 0,
      deletedKeys: 0,
    });
    this.#watch.received();
    this.#watch.restarted('ended');
    this.#quota.waited(100);
    this.#api({ verb: 'create', resource: 'pods', status: 201, durationMs: 5 });
    this.#statement('OK', 1);
    const ended = { direction: 'in', outcome: 'OK', bytes: 1, durationMs: 1 } as const;
    this.#archive({ ...ended, store: 's3' });
    this.#transfer({ ...ended, attempts: 1, reconnects: 0 });
    this.#cache.lookedUp({ kind: 'task', store: 'pod', outcome: 'hit' });
    this.#cache.moved({ kind: 'task', store: 'pod', direction: 'in', rawBytes: 1 });
    this.#preflight({ outcome: 'OK', isCached: true, durationMs: 1 });
  }

  [Symbol.dispose](): void {
    const gauges = [this.#watch, this.#upkeep, this.#quota, this.#pool, this.#connections, this.#inventory];
    for (const observer of gauges) observer[Symbol.dispose]();
  }
}
