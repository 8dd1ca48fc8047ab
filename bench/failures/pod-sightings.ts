import { setTimeout as sleep } from 'node:timers/promises';

import { type KubeConfig, type V1Pod, Watch } from '@kubernetes/client-node';

interface Sighting {
  readonly atMs: number;
  readonly isDeleted: boolean;
  readonly pod: V1Pod;
}

/** Whether an event of a pod shows what is measured. */
export type Shows = (pod: V1Pod, isDeleted: boolean) => boolean;

/** How long an event may be later than the library's. */
const lateMs = 10_000;

/** Records when the pods of a namespace change, by a watch that is not the library's. */
export class PodSightings implements Disposable {
  readonly #sightings: Sighting[] = [];
  readonly #stop: AbortController;

  private constructor(stop: AbortController) {
    this.#stop = stop;
  }

  static async start(config: KubeConfig, namespace: string): Promise<PodSightings> {
    const take = (type: string, pod: V1Pod): void => {
      sightings.#sightings.push({ atMs: performance.now(), isDeleted: type === 'DELETED', pod });
    };
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const stop = new AbortController();
    const sightings = new PodSightings(stop);
    // client-node ends a watch that is silent for 30 s.
    const begin = async (): Promise<void> => {
      const watch = await new Watch(config).watch(path, {}, take, () => {
        if (!stop.signal.aborted) void begin();
      });
      stop.signal.addEventListener('abort', () => watch.abort(), { once: true });
    };
    await begin();
    return sightings;
  }

  /** Resolves with the time of the first event of a pod that shows it, also of an earlier one. */
  async first(podName: string, shows: Shows): Promise<number> {
    const untilMs = performance.now() + lateMs;
    for (;;) {
      const found = this.#sightings.find(
        ({ pod, isDeleted }) => pod.metadata?.name === podName && shows(pod, isDeleted),
      );
      if (found !== undefined) return found.atMs;
      if (performance.now() > untilMs) throw new Error(`no event of pod ${podName} shows the failure`);
      await sleep(20);
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}

/** Shows that a container waits for one of these reasons. */
export function waitsFor(...reasons: readonly string[]): Shows {
  return ({ status }) =>
    (status?.containerStatuses ?? []).some(({ state, lastState }) =>
      reasons.includes(state?.waiting?.reason ?? state?.terminated?.reason ?? lastState?.terminated?.reason ?? ''),
    );
}

/** Shows that a container was ended for a reason, also if it runs again. */
export function endedBy(reason: string): Shows {
  return ({ status }) =>
    (status?.containerStatuses ?? []).some(
      ({ state, lastState }) => state?.terminated?.reason === reason || lastState?.terminated?.reason === reason,
    );
}

/** Shows that the main container has ended, or that the pod no longer exists. */
export const mainHasEnded: Shows = ({ status }, isDeleted) =>
  isDeleted ||
  (status?.containerStatuses ?? []).some(({ name, state }) => name === 'main' && state?.terminated !== undefined);

/** Shows that no node accepts the pod. */
export const hasNoNode: Shows = ({ status }) =>
  (status?.conditions ?? []).some(({ type, reason }) => type === 'PodScheduled' && reason === 'Unschedulable');

export const isBeingDeleted: Shows = ({ metadata }, isDeleted) =>
  isDeleted || metadata?.deletionTimestamp !== undefined;
