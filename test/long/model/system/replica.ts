import { ConnectionLimits } from '../../../../src/agent-client/session/connection-limits.ts';
import { composeWorker } from '../../../../src/compose-worker.ts';
import { MessageBuffers } from '../../../../src/exec/message-buffers.ts';
import { ProtocolOrder } from '../../../../src/exec/protocol-order.ts';
import { imageSettings } from '../../../../src/images/image-settings.ts';
import { AgentDelivery } from '../../../../src/pods/agent-delivery.ts';
import { openRepository } from '../../../../src/repository/postgres/open-repository.ts';
import { PodWorker } from '../../../../src/worker/pod-worker.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import type { MemoryArchiveStore } from '../../../support/stores/memory-archive-store.ts';
import type { Gate } from './gate.ts';
import type { HostClock } from './host-clock.ts';
import { incarnationIds } from './incarnation-ids.ts';
import { type AgentObserver, memoryAgents } from './memory-agents.ts';
import { type DeletionObserver, memoryCluster } from './memory-cluster.ts';
import type { MemoryConfigMaps } from './memory-config-maps.ts';
import type { MemoryPods } from './memory-pods.ts';
import { gatedStore } from './memory-store.ts';
import type { ModelDatabase } from './model-database.ts';

export const workerName = 'w';
const architecture = 'amd64';
const image = 'busybox:1';
/** Shorter than the steps of time of the model, so that leases lapse often. */
export const leaseMs = 10_000;
/** Longer than everything that the library keeps for the case that a host has died. */
export const longMs: number = 30 * 24 * 3_600_000;

/** What differs between worlds. */
export interface Setting {
  /** Whether outputs and caches are kept in an archive store. */
  readonly hasStore: boolean;
  readonly artifactTimeToLiveMs: number;
}

export interface ReplicaParts {
  /** The name of this incarnation. A restarted replica has another one. */
  readonly id: string;
  readonly gate: Gate;
  readonly database: ModelDatabase;
  readonly pods: MemoryPods;
  readonly configMaps: MemoryConfigMaps;
  readonly store: MemoryArchiveStore;
  readonly clock: HostClock;
  readonly setting: Setting;
  readonly observer: DeletionObserver & AgentObserver;
}

/** Opens a worker, composed as the library does, over the database, the pods and the agents of the model. */
export async function openReplica({ id, gate, database, clock, setting, ...parts }: ReplicaParts): Promise<PodWorker> {
  const pool = database.poolOf(id, gate);
  const logger = silentLogger;
  const repository = await openRepository(pool, { migrate: false, logger });
  const { installationId } = await repository.workers.register(workerName);
  const cluster = memoryCluster(id, { gate, ...parts });
  const delivery = new AgentDelivery(cluster, { architecture });
  // What is read from files is read before the model begins: only the gate lets time pass.
  await delivery.ensure(architecture);
  await delivery.currentNames(parts.configMaps.names);
  pool.gated = true;
  const components = composeWorker(
    {
      name: workerName,
      database: pool,
      architecture,
      startTimeoutMs: 20_000,
      schedulingTimeoutMs: 20_000,
      imagePullTimeoutMs: 20_000,
      reconnectTimeoutMs: 30_000,
      leaseMs,
      hijackGraceMs: 20_000,
      artifactTimeToLiveMs: setting.artifactTimeToLiveMs,
      cacheTimeToLiveMs: longMs,
      finishedOwnerTtlMs: longMs,
      maxWaitingForQuota: 10,
      stores: setting.hasStore ? { custom: [gatedStore(id, gate, parts.store)], artifacts: 'pod' } : undefined,
      logger,
    },
    {
      cluster,
      repository,
      installationId,
      images: imageSettings({}, image),
      delivery,
      agents: {
        pool: memoryAgents(id, gate, parts.pods, parts.observer),
        limits: new ConnectionLimits(),
        exec: { buffers: new MessageBuffers(0), protocols: new ProtocolOrder([]) },
      },
      clock,
      newId: incarnationIds(id),
    },
  );
  return new PodWorker(components);
}
