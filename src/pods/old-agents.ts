import { ForbiddenError } from '../errors/cluster.ts';
import type { Cluster, ObjectMetadata, Pod } from '../kubernetes/cluster.ts';
import type { AbortOptions, Logger } from '../runtime/options.ts';
import { agentSelector } from './agent-config-map.ts';
import type { AgentDelivery } from './agent-delivery.ts';

export interface OldAgentsComponents {
  readonly cluster: Pick<Cluster, 'listConfigMaps' | 'deleteConfigMap' | 'listPods'>;
  readonly delivery: Pick<AgentDelivery, 'currentNames'>;
  /** See `AgentDeliveryOptions.configMap`: with `'existing'` none is deleted. */
  readonly configMap: 'create' | 'existing' | undefined;
  readonly logger: Logger;
}

/** The config map of an agent that no pod mounts. */
export interface OldConfigMap {
  readonly name: string;
  readonly uid: string;
  readonly createdAt: Date;
}

/** A host that has just created the config map of its agent is about to create a pod. */
const youngestMs = 86_400_000;

/**
 * Finds and deletes the config maps of agents that are no longer used: other versions of the library
 * have created them, and no pod mounts them. Hosts of several versions may run at the same time. A
 * host whose config map is deleted between two of its pods creates it again: its next pod waits a
 * few seconds for its volumes, which is the sign (`AgentDelivery.restore`). From then on the new
 * config map is young.
 *
 * An age is the difference of two times of the API server's clock: the creation of the object, and
 * the response of the list. A server without a time in its responses keeps its config maps.
 */
export class OldAgents {
  readonly #components: OldAgentsComponents;

  constructor(components: OldAgentsComponents) {
    this.#components = components;
  }

  /** Returns the config maps that `remove` may delete; none without the permission to list them. */
  async find(options: AbortOptions = {}): Promise<readonly OldConfigMap[]> {
    const { cluster, delivery, configMap, logger } = this.#components;
    if (configMap === 'existing') return [];
    const list = await cluster.listConfigMaps(agentSelector, options);
    if (list === undefined) logger.debug('config maps of old agents not listed: not permitted', {});
    if (list?.at === undefined) return [];
    const before = list.at.getTime() - youngestMs;
    const current = await delivery.currentNames(list.configMaps.map(({ name }) => name));
    const old = list.configMaps.flatMap((metadata) => (current.has(metadata.name) ? [] : olderThan(before, metadata)));
    if (old.length === 0) return [];
    // Listed after the config maps, and of all hosts and installations in the namespace.
    const { pods } = await cluster.listPods('', options);
    const mounted = new Set(pods.flatMap(configMapsOf));
    return old.filter(({ name }) => !mounted.has(name));
  }

  /** Returns whether this call has deleted it: `false` without the permission to delete it. */
  async remove({ name, uid }: OldConfigMap, { signal }: AbortOptions = {}): Promise<boolean> {
    const { cluster, logger } = this.#components;
    try {
      return await cluster.deleteConfigMap(name, { uid, signal });
    } catch (error) {
      if (!(error instanceof ForbiddenError)) throw error;
      logger.debug('config map of an old agent not deleted: not permitted', { name, error });
      return false;
    }
  }
}

function olderThan(beforeMs: number, metadata: ObjectMetadata): readonly OldConfigMap[] {
  const { name, uid, creationTimestamp: createdAt, deletionTimestamp } = metadata;
  if (createdAt === undefined || deletionTimestamp !== undefined) return [];
  return createdAt.getTime() < beforeMs ? [{ name, uid, createdAt }] : [];
}

/** Returns the names of the config maps that a pod mounts. */
function configMapsOf({ spec }: Pod): readonly string[] {
  return (spec?.volumes ?? [])
    .flatMap(({ configMap, projected }) => [configMap, ...(projected?.sources ?? []).map((source) => source.configMap)])
    .flatMap((source) => (source?.name === undefined ? [] : [source.name]));
}
