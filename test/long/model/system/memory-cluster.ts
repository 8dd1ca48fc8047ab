import { FakeCluster } from '../../../../fakes/index.ts';
import { ApiUnavailableError, ConflictError } from '../../../../src/errors/cluster.ts';
import type { Cluster, ObjectMetadata, Pod, PodChange } from '../../../../src/kubernetes/cluster.ts';
import type { AbortOptions } from '../../../../src/runtime/options.ts';
import type { Gate } from './gate.ts';
import type { MemoryConfigMaps } from './memory-config-maps.ts';
import type { MemoryPod, MemoryPods } from './memory-pods.ts';

/** How the model is informed of deletions. */
export interface DeletionObserver {
  /** Called before a replica's deletion takes effect. */
  deleting(pod: MemoryPod, caller: string): void | Promise<void>;
}

export interface MemoryClusterParts {
  readonly gate: Gate;
  readonly pods: MemoryPods;
  readonly configMaps: MemoryConfigMaps;
  readonly observer: DeletionObserver;
}

/** Returns the API for one incarnation of a replica. Each request waits at the gate. */
export function memoryCluster(caller: string, { gate, pods, configMaps, observer }: MemoryClusterParts): Cluster {
  const cluster = new FakeCluster({ namespace: 'ci' });
  const request = async <T>(
    verb: string,
    effect: () => T | Promise<T>,
    { signal }: AbortOptions = {},
    about = '',
  ): Promise<T> =>
    await gate.pass({
      caller,
      kind: 'api',
      name: `${caller} ${verb} ${about}`,
      effect,
      failure: () => new ApiUnavailableError({ verb, resource: 'pods', namespace: 'ci' }, 'no answer', undefined),
      signal,
    });
  const create = (given: Pod): Pod => {
    const created = pods.create(given);
    if (created !== undefined) return created.pod;
    throw new ConflictError({ verb: 'create', resource: 'pods', namespace: 'ci' }, 'already exists');
  };
  cluster.createPod.callsFake(
    async (pod, options) => await request('create pod', () => create(pod), options, pod.metadata?.name),
  );
  cluster.getPod.callsFake(
    async (name, options) => await request('get pod', () => pods.find(name)?.pod, options, name),
  );
  cluster.listPods.callsFake(
    async (selector, options) =>
      await request(
        'list pods',
        () => ({
          pods: pods.existing.filter(({ pod }) => matches(pod, selector)).map(({ pod }) => pod),
          resourceVersion: String(pods.changes.length),
        }),
        options,
      ),
  );
  cluster.listPodMetadata.callsFake(async ({ labelSelector, ...options } = {}) => {
    const metadata = (): readonly ObjectMetadata[] =>
      pods.existing
        .filter(({ pod }) => labelSelector === undefined || matches(pod, labelSelector))
        .map(({ pod: { metadata }, name, uid }) => {
          const { labels, deletionTimestamp } = metadata ?? {};
          return { name, uid, labels, deletionTimestamp } as ObjectMetadata;
        });
    return await request('list pod', metadata, options);
  });
  cluster.deletePod.callsFake(async (name, { uid, gracePeriodSeconds, ...options } = {}) => {
    const remove = async (): Promise<boolean> => {
      const pod = pods.find(name, uid);
      if (pod === undefined) return false;
      await observer.deleting(pod, caller);
      pods.delete(pod, gracePeriodSeconds);
      return true;
    };
    return await request('delete pod', remove, options, name);
  });
  cluster.getConfigMap.callsFake(async (name) => configMaps.find(name));
  cluster.createConfigMap.callsFake(async (configMap) => {
    if (!configMaps.create(configMap))
      throw new ConflictError({ verb: 'create', resource: 'configmaps', namespace: 'ci' }, 'already exists');
  });
  cluster.listConfigMaps.callsFake(
    async (_selector, options) => await request('list config maps', () => configMaps.list(), options),
  );
  cluster.deleteConfigMap.callsFake(
    async (name, { uid, ...options }) =>
      await request('delete config map', () => configMaps.delete(name, uid), options, name),
  );
  cluster.watchPods.callsFake((selector, version, options) => watch(selector, Number(version), options ?? {}));
  return cluster;

  async function* watch(selector: string, from: number, { signal }: AbortOptions): AsyncGenerator<PodChange> {
    const aborted = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
    for (let next = from; ; next += 1) {
      while (pods.changes[next] === undefined) {
        await Promise.race([pods.changed.wait(), aborted]);
        signal?.throwIfAborted();
      }
      const change = pods.changes[next];
      if (change === undefined || !matches(change.pod, selector)) continue;
      const name = change.pod.metadata?.name ?? '';
      const arrive = (): void => {
        if (change.type === 'deleted') pods.find(name, change.pod.metadata?.uid);
      };
      const failure = (): Error => new Error('the watch ended');
      yield await gate
        .pass({ caller, kind: 'event', name: `${caller} sees ${change.type} ${name}`, effect: arrive, failure, signal })
        .then(() => change);
    }
  }
}

function matches({ metadata }: Pod, selector: string): boolean {
  return selector.split(',').every((term) => {
    const [key = '', value = ''] = term.split('=');
    return metadata?.labels?.[key] === value;
  });
}
