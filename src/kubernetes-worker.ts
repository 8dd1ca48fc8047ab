import { randomUUID } from 'node:crypto';

import { checkedImages } from './check-worker-options.ts';
import { composeAgents } from './composition/compose-agents.ts';
import { composeWorker } from './composition/compose-worker.ts';
import type { Foundations } from './composition/foundations.ts';
import { WorkerNotFoundError } from './errors/worker.ts';
import { silentLogger } from './internal/silent-logger.ts';
import { systemClock } from './internal/system-clock.ts';
import { ClientNodeCluster } from './kubernetes/api/client-node-cluster.ts';
import { checkAgentBinary } from './pods/agent-binary.ts';
import { AgentDelivery } from './pods/agent-delivery.ts';
import type { Repository } from './repository/repository.ts';
import type { CheckOptions, CheckReport } from './runtime/check.ts';
import type { AbortOptions } from './runtime/options.ts';
import { apiMetrics } from './telemetry/cluster-metrics.ts';
import { PodWorker } from './worker/pod-worker.ts';
import type { KubernetesWorkerOptions } from './worker-options.ts';

/**
 * A worker on a Kubernetes cluster and a PostgreSQL database.
 *
 * @public
 */
export class KubernetesWorker extends PodWorker {
  /**
   * Opens a worker: migrates the database and registers the worker's name. The worker connects to
   * the cluster when a call first needs it. The signal stops the opening.
   *
   * @example
   * ```ts
   * import { KubernetesWorker } from 'kubernetes-worker';
   *
   * await using worker = await KubernetesWorker.open({
   *   name: 'ci',
   *   namespace: 'ci',
   *   database: 'postgres://ci@db/ci',
   *   reconnectTimeoutMs: 600_000,
   * });
   * ```
   *
   * @throws InvalidSpecError if an option is invalid; the error names the field
   * @throws RepositoryUnavailableError if the database does not answer
   * @throws SchemaTooNewError if a newer version of the library has migrated the database
   * @throws WorkerNotFoundError if the database has no worker of the name, with `register: false`
   */
  static async open(options: KubernetesWorkerOptions): Promise<KubernetesWorker> {
    const foundations = await readOptions(options);
    const { signal, logger = silentLogger, migrate } = options;
    // Imported here, because kysely takes as long to load as all modules of the library.
    const { openRepository } = await import('./repository/postgres/open-repository.ts');
    const repository = await openRepository(options.database, { migrate, logger, signal });
    try {
      const installationId = await installationOf(options, repository);
      return new KubernetesWorker(composeWorker(options, { ...foundations, repository, installationId }));
    } catch (error) {
      await repository.close();
      throw error;
    }
  }

  /**
   * Examines what a worker with these options would depend on, as `Worker.check` does, without
   * opening it: it neither migrates the database nor registers the worker's name. A database or an
   * API server that does not answer is a finding.
   *
   * @example
   * ```ts
   * import { KubernetesWorker } from 'kubernetes-worker';
   *
   * const options = { name: 'ci', namespace: 'ci', database: 'postgres://ci@db/ci' };
   * const { ok, findings } = await KubernetesWorker.check(options, { stores: true, images: true });
   * if (!ok) console.error(findings.filter(({ outcome }) => outcome === 'failure'));
   * ```
   *
   * @throws InvalidSpecError if an option is invalid; the error names the field
   */
  static async check(options: KubernetesWorkerOptions, checking: CheckOptions = {}): Promise<CheckReport> {
    const read = await readOptions(options);
    const repository = await openUnchecked(options, checking);
    const installationId = await repository.installationId({ signal: checking.signal }).catch(() => undefined);
    const foundations = { ...read, repository, mayBeUnregistered: true };
    const examined: KubernetesWorkerOptions = {
      ...options,
      reapEveryMs: undefined,
      heartbeatEveryMs: undefined,
      // What a store creates belongs to the installation.
      stores: installationId === undefined ? undefined : options.stores,
    };
    const components = composeWorker(examined, { ...foundations, installationId: installationId ?? randomUUID() });
    await using worker = new KubernetesWorker(components);
    return await worker.check(checking);
  }
}

/**
 * Registers the worker's name, or requires that it is registered. Returns the ID of the installation.
 *
 * @throws WorkerNotFoundError
 */
async function installationOf(
  { name, register = true, signal }: KubernetesWorkerOptions,
  repository: Repository,
): Promise<string> {
  if (register) return (await repository.workers.register(name, { signal })).installationId;
  if ((await repository.workerStates.find(name, { signal })) === undefined) throw new WorkerNotFoundError(name);
  return await repository.installationId({ signal });
}

/** Opens the database whatever its schema is. */
async function openUnchecked(
  { database, logger = silentLogger }: KubernetesWorkerOptions,
  { signal }: AbortOptions,
): Promise<Repository> {
  const { openRepository } = await import('./repository/postgres/open-repository.ts');
  return await openRepository(database, { migrate: 'unchecked', logger, signal });
}

/**
 * Checks the options, and composes what neither the database nor a running cluster is needed for.
 *
 * @throws InvalidSpecError
 */
async function readOptions(
  options: KubernetesWorkerOptions,
): Promise<Omit<Foundations, 'repository' | 'installationId'>> {
  const images = checkedImages(options);
  const { kubeConfig, namespace, architecture, agentBinary: path, agentConfigMap: configMap } = options;
  await checkAgentBinary(path, architecture);
  const clock = options.clock ?? systemClock();
  const cluster = await ClientNodeCluster.fromConfig({ kubeConfig, namespace, observe: apiMetrics() });
  const delivery = new AgentDelivery(cluster, { architecture, path, configMap });
  return { cluster, images, delivery, agents: composeAgents(options, cluster, clock), clock, newId: randomUUID };
}
