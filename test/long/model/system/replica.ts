import { ConnectionLimits } from '../../../../src/agent-client/session/connection-limits.ts';
import { composeWorker } from '../../../../src/composition/compose-worker.ts';
import type { Foundations } from '../../../../src/composition/foundations.ts';
import { MessageBuffers } from '../../../../src/exec/message-buffers.ts';
import { ProtocolOrder } from '../../../../src/exec/protocol-order.ts';
import { imageSettings } from '../../../../src/images/image-settings.ts';
import { AgentDelivery } from '../../../../src/pods/agent-delivery.ts';
import { openRepository } from '../../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../../src/repository/repository.ts';
import { PodWorker } from '../../../../src/worker/pod-worker.ts';
import type { KubernetesWorkerOptions } from '../../../../src/worker-options.ts';
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
import type { GatedPool, ModelDatabase } from './model-database.ts';
import type { OpenedReplica, Platform } from './platform.ts';

export const workerName = 'w';
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

type OptionParts = Pick<ReplicaParts, 'id' | 'gate' | 'store' | 'setting'> & { readonly pool: GatedPool };

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

const architecture = 'amd64';

/** The options of a replica on any platform. */
export function replicaOptions({ id, gate, store, setting, pool }: OptionParts): KubernetesWorkerOptions {
  return {
    name: workerName,
    database: pool,
    architecture,
    volumeImage: image,
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
    stores: setting.hasStore ? { custom: [gatedStore(id, gate, store)], artifacts: 'pod' } : undefined,
    logger: silentLogger,
  };
}

/** Opens the database of a replica, and registers its worker. */
export async function openDatabase({ id, gate, database }: Pick<ReplicaParts, 'id' | 'gate' | 'database'>): Promise<{
  readonly pool: GatedPool;
  readonly repository: Repository;
  readonly installationId: string;
}> {
  const pool = database.poolOf(id, gate);
  const repository = await openRepository(pool, { migrate: false, logger: silentLogger });
  return { pool, repository, ...(await repository.workers.register(workerName)) };
}

/** The foundations of a replica that are the same on any platform. */
export function commonFoundations(id: string): Pick<Foundations, 'images' | 'newId'> {
  return { images: imageSettings({}, image), newId: incarnationIds(id) };
}

/** Opens a worker, composed as the library does, over the database, the pods and the agents of the model. */
async function openReplica({ id, gate, database, clock, ...parts }: ReplicaParts): Promise<OpenedReplica> {
  const { pool, repository, installationId } = await openDatabase({ id, gate, database });
  const cluster = memoryCluster(id, { gate, ...parts });
  const delivery = new AgentDelivery(cluster, { architecture });
  // What is read from files is read before the model begins: only the gate lets time pass.
  await delivery.ensure(architecture);
  await delivery.currentNames(parts.configMaps.names);
  pool.gated = true;
  const agents = {
    pool: memoryAgents(id, gate, parts.pods, parts.observer),
    limits: new ConnectionLimits(),
    exec: { buffers: new MessageBuffers(0), protocols: new ProtocolOrder([]) },
  };
  const foundations = { ...commonFoundations(id), cluster, repository, installationId, delivery, agents, clock };
  const components = composeWorker(replicaOptions({ id, gate, pool, ...parts }), foundations);
  return { worker: new PodWorker(components), drop: () => undefined };
}

/** Pods, agents and their commands in memory. */
export const memoryPlatform: Platform = {
  seesPods: true,
  open: openReplica,
  archive: async (text) => Buffer.from(text),
  textOf: async (archive) => archive.toString(),
  command: () => ({ path: 'make' }),
};
