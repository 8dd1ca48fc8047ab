import { InvalidSpecError } from '../errors/caller.ts';
import { ForbiddenError } from '../errors/cluster.ts';
import type { EmitEvent } from '../events/emit-event.ts';
import type { Cluster, Pod } from '../kubernetes/cluster.ts';
import { isOfHandle } from '../kubernetes/pod-spec/labels.ts';
import type { VolumePlace } from '../repository/placement-queries.ts';
import type { Repository } from '../repository/repository.ts';
import { reservedKindPrefix } from '../repository/reservation-repository.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type {
  ArtifactLocality,
  ArtifactPlace,
  MissingFacts,
  Reservation,
  ReservationCount,
  ReservationRequest,
  WorkerFacts,
} from '../runtime/placement.ts';
import { isActive, isServing, nodesFacts, quotaFacts, zoneOf } from './cluster-facts.ts';
import { LeasedReservation } from './leased-reservation.ts';
import { requestsOf, sumOf } from './resource-amounts.ts';

export interface PlacementComponents {
  readonly workerName: string;
  readonly cluster: Pick<Cluster, 'namespace' | 'listPods' | 'listNodes' | 'listResourceQuotas'>;
  /** Selects the pods of the worker. */
  readonly labelSelector: string;
  readonly repository: Pick<Repository, 'placement' | 'reservations'>;
  /** Returns the pod that has the bytes; `undefined` if no pod has them. */
  readonly podOf: (place: VolumePlace) => PodOfVolume | undefined;
  /** Whether the worker has an archive store of this name, from which every node is served. */
  readonly hasArchiveStore: (name: string) => boolean;
  readonly newId: () => string;
  readonly emit: EmitEvent;
}

/** The pod that has the bytes of a volume. */
export interface PodOfVolume {
  readonly podName: string;
  /** The handle that the pod was created for. */
  readonly handle: string;
}

/** Facts about the worker, and reservations on it. */
export class Placement {
  readonly #components: PlacementComponents;

  constructor(components: PlacementComponents) {
    this.#components = components;
  }

  async facts(options: AbortOptions): Promise<WorkerFacts> {
    const { cluster, repository, workerName, labelSelector } = this.#components;
    const { namespace } = cluster;
    const missing: MissingFacts[] = [];
    const [nodes, quotas, { pods }, live] = await Promise.all([
      unlessForbidden('nodes', missing, cluster.listNodes(options)),
      unlessForbidden('quotas', missing, cluster.listResourceQuotas(options)),
      cluster.listPods(labelSelector, options),
      repository.placement.countLive(workerName, options),
    ]);
    const call = (resource: string) => ({ verb: 'list', resource, namespace });
    const active = pods.filter(isActive);
    return {
      nodes: nodes === undefined ? undefined : nodesFacts(nodes, call('nodes')),
      quotas: quotas?.map((quota) => quotaFacts(quota, call('resourcequotas'))),
      missing,
      requested: sumOf(active.map((pod) => requestsOf(pod, call('pods')))),
      activePods: active.length,
      activeContainers: live.containers,
      activeVolumes: live.volumes,
    };
  }

  async locality(handles: readonly string[], options: AbortOptions): Promise<ArtifactLocality> {
    const { cluster, repository, workerName, labelSelector, hasArchiveStore } = this.#components;
    const places = await repository.placement.findPlaces(workerName, [...new Set(handles)], options);
    if (places.length === 0) return { artifacts: handles.map(unreachable), reachable: 0, reachableBytes: 0 };
    const [{ pods }, nodes] = await Promise.all([
      cluster.listPods(labelSelector, options),
      unlessForbidden('nodes', [], cluster.listNodes(options)),
    ]);
    const serving = new Map(pods.filter(isServing).map((pod) => [pod.metadata?.name ?? '', pod]));
    const zones = new Map(nodes?.map((node) => [node.metadata?.name, zoneOf(node)]));
    const found = new Map<string, ArtifactPlace>();
    for (const place of places) {
      const pod = this.#servingPod(place, serving);
      const isArchived = place.archiveStore !== undefined && hasArchiveStore(place.archiveStore);
      if (pod === undefined && !isArchived) continue;
      const nodeName = isArchived ? undefined : pod?.spec?.nodeName;
      const zone = isArchived || pod === undefined ? undefined : (zoneOf(pod) ?? zones.get(nodeName));
      found.set(place.handle, {
        ...unreachable(place.handle),
        isReachable: true,
        nodeName,
        zone,
        sizeBytes: place.sizeBytes,
      });
    }
    return {
      artifacts: handles.map((handle) => found.get(handle) ?? unreachable(handle)),
      reachable: found.size,
      reachableBytes: [...found.values()].reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0),
    };
  }

  async reserve(
    { kind, limit, ttlMs, id = this.#components.newId() }: ReservationRequest,
    options: AbortOptions,
  ): Promise<Reservation | undefined> {
    const { workerName, repository, emit } = this.#components;
    const { reservations } = repository;
    if (kind.startsWith(reservedKindPrefix))
      throw new InvalidSpecError('kind', `begins with ${reservedKindPrefix}, which is for the library's own kinds`);
    const key = { workerName, kind, id };
    const expiresAt = await reservations.reserve({ ...key, limit, ttlMs }, options);
    return expiresAt === undefined ? undefined : new LeasedReservation(key, { expiresAt, ttlMs, reservations, emit });
  }

  async reservations(options: AbortOptions): Promise<readonly ReservationCount[]> {
    const { workerName, repository } = this.#components;
    const counts = await repository.reservations.count(workerName, options);
    return counts.filter(({ kind }) => !kind.startsWith(reservedKindPrefix));
  }

  /** A pod of the same name may belong to a later container. */
  #servingPod(place: VolumePlace, serving: ReadonlyMap<string, Pod>): Pod | undefined {
    const wanted = this.#components.podOf(place);
    if (wanted === undefined) return undefined;
    const pod = serving.get(wanted.podName);
    return isOfHandle(pod?.metadata, wanted.handle) ? pod : undefined;
  }
}

function unreachable(handle: string): ArtifactPlace {
  return { handle, isReachable: false, nodeName: undefined, zone: undefined, sizeBytes: undefined };
}

/** Returns `undefined`, and adds the reason, if the credentials may not read the facts. */
async function unlessForbidden<T>(
  what: MissingFacts['what'],
  missing: MissingFacts[],
  answer: Promise<T>,
): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ForbiddenError)) throw error;
    missing.push({ what, reason: error.message });
    return undefined;
  }
}
