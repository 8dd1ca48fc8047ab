import type { Writable } from 'node:stream';

import { KubernetesWorker, type KubernetesWorkerOptions } from '../../index.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { ConfigSources, LoadedConfig } from '../config/load-config.ts';
import { type ConfigWatch, watchConfig } from '../config/watch-config.ts';
import { workerOptionsOf } from '../config/worker-options.ts';
import { packageVersion } from '../package-version.ts';
import { serviceClock as clock } from '../service-clock.ts';
import { startMetricsServer, startStatusServer } from '../status/status-server.ts';
import { containerResources } from '../telemetry/container-resources.ts';
import { type ServiceLogger, serviceLogger } from '../telemetry/logger.ts';
import { serviceMetrics } from '../telemetry/service-metrics.ts';
import { startTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import { checkTerms, runBackgroundChecks } from './background-checks.ts';
import { runDeadRunLoop } from './dead-run-loop.ts';
import { EventLoopLag } from './event-loop-lag.ts';
import { endOnFaults } from './faults.ts';
import { runService, type ServiceParts } from './life-cycle.ts';
import { type ListenerPlan, startListeners } from './listeners.ts';
import { openWhenAvailable } from './open-when-available.ts';
import { type ServiceHealth, ServiceState } from './service-state.ts';

export interface ServeOptions {
  readonly loaded: LoadedConfig;
  /** Read again when the file changes. */
  readonly sources: ConfigSources;
  /** Receives the log. */
  readonly stdout: Pick<Writable, 'write'>;
  /** Ends the process because of an error that nothing has handled. */
  readonly exitOnFault: () => void;
  readonly signal: AbortSignal;
}

/**
 * Runs the daemon until the signal aborts, and resolves when it has ended in order.
 *
 * @throws ConfigError if a file with a secret cannot be read, or the library refuses an option
 * @throws ListenError if the address of a server cannot be used
 * @throws RepositoryUnavailableError if the database does not answer within `database.startTimeoutMs`
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { loaded, sources, stdout, exitOnFault, signal } = options;
  const logger = serviceLogger(loaded.config, stdout, secretsOf(loaded.config));
  const endFaults = endOnFaults(process, logger, exitOnFault);
  // Before anything listens: a wrong value ends the program with all that is wrong.
  await workerOptionsOf(loaded.config);
  logger.info('service starts', { version: packageVersion(), workerName: loaded.config.worker.name });
  const live = { ...loaded.config.shutdown };
  const watch = watchConfig({
    sources,
    loaded,
    logger,
    onChange: ({ config: { logging, shutdown } }) => {
      logger.setLevel(logging.level);
      live.graceMs = shutdown.graceMs;
    },
  });
  try {
    await run(loaded.config, { logger, watch, graceMs: () => live.graceMs }, signal);
  } finally {
    await watch.close();
    endFaults();
  }
}

interface RunParts {
  readonly logger: ServiceLogger;
  readonly watch: Pick<ConfigWatch, 'reloads'>;
  readonly graceMs: () => number;
}

async function run(config: ServiceConfig, { logger, watch, graceMs }: RunParts, signal: AbortSignal): Promise<void> {
  const telemetry = await startTelemetry(config);
  const state = new ServiceState(clock, checkTerms(storeNamesOf(config)));
  serviceMetrics({
    readiness: () => state.probe('readyz'),
    logLines: () => logger.lines,
    reloads: () => watch.reloads,
    resources: containerResources(),
  });
  const lag = new EventLoopLag(() => state.beat());
  const parts: ServiceParts = {
    state,
    listen: async () => await startListeners(listenersOf(config, { telemetry, state, logger }), logger),
    openWorker: async (opening) => await openWorker(config, logger, opening),
    whileOpen: async (worker, running) => {
      const checks = runBackgroundChecks({ worker, state, lag, clock, logger }, running);
      await Promise.all([checks, runDeadRunLoop({ worker, clock, logger }, running)]);
    },
    closeTelemetry: async (limitMs) => await telemetry.close(limitMs),
    graceMs,
    clock,
    logger,
  };
  try {
    await runService(parts, signal);
  } finally {
    lag.close();
  }
}

async function openWorker(
  config: ServiceConfig,
  logger: ServiceLogger,
  signal: AbortSignal,
): Promise<KubernetesWorker> {
  // The files with secrets are read again at each try, because they may have been replaced.
  const open = async (opening: AbortSignal): Promise<KubernetesWorker> => {
    const onSecret = (secret: string): void => logger.hide(secret);
    const options = await workerOptionsOf(config, { loops: true, logger, signal: opening, onSecret });
    return await KubernetesWorker.open(electing(options));
  };
  return await openWhenAvailable({ open, limitMs: config.database.startTimeoutMs, clock, logger, signal });
}

/** Of the replicas, one runs the controllers. */
function electing(options: KubernetesWorkerOptions): KubernetesWorkerOptions {
  return { ...options, leaderElection: true };
}

interface ListenerParts {
  readonly telemetry: Telemetry;
  readonly state: ServiceHealth;
  readonly logger: ServiceLogger;
}

function listenersOf(
  { status, metrics }: ServiceConfig,
  { telemetry, state: health, logger }: ListenerParts,
): readonly ListenerPlan[] {
  const metricsText = async (): Promise<string> => await telemetry.metricsText();
  return [
    {
      ...status,
      name: 'the status server',
      section: 'status',
      start: async () => await startStatusServer({ config: status, health, version: packageVersion(), logger }),
    },
    {
      ...metrics,
      name: 'the server of metrics',
      section: 'metrics',
      start: async () => await startMetricsServer({ config: metrics, metricsText, logger }),
    },
  ];
}

function secretsOf({ database: { url } }: ServiceConfig): readonly string[] {
  return url === undefined ? [] : [url];
}

function storeNamesOf({ stores: { pvc, s3 } }: ServiceConfig): readonly string[] {
  return [...(pvc === undefined ? [] : [pvc.name ?? 'pvc']), ...(s3 === undefined ? [] : [s3.name ?? 's3'])];
}
