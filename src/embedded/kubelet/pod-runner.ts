import { join } from 'node:path';
import { isPod, type Pod } from '../objects/api-object.ts';
import { emptyNamespace } from '../objects/object-deletion.ts';
import type { StoreEvent } from '../objects/object-store.ts';
import { removeTree } from '../remove-tree.ts';
import type { ContainerRunner } from './container-runner.ts';
import { PodLifecycle } from './pod-lifecycle.ts';
import type { RunnerContext } from './runner-context.ts';

/**
 * The scheduler and the kubelet of the one node: runs the pods of the store and completes their
 * deletion.
 */
export class PodRunner {
  readonly #context: RunnerContext;
  readonly #pods = new Map<string, PodLifecycle>();
  readonly #cleanups = new Set<Promise<void>>();
  readonly #subscriptions: readonly (() => void)[];

  constructor(context: RunnerContext) {
    this.#context = context;
    this.#subscriptions = [
      context.store.subscribe('pods', (event) => this.#podChanged(event)),
      context.store.subscribe('persistentvolumeclaims', (event) => this.#claimChanged(event)),
    ];
  }

  /** Returns a container of a pod, whether it runs or not. */
  container(pod: Pod, name: string): ContainerRunner | undefined {
    return this.#pods.get(pod.metadata.uid)?.container(name);
  }

  /** Ends all pods without a grace period and starts no more pods. Logs what it cannot clean up. */
  async close(): Promise<void> {
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    for (const uid of [...this.#pods.keys()]) this.#destroy(uid);
    await Promise.all(this.#cleanups);
  }

  #podChanged({ type, object }: StoreEvent): void {
    if (!isPod(object)) return;
    const { uid, namespace = '' } = object.metadata;
    if (type === 'ADDED') {
      const lifecycle = new PodLifecycle(object, this.#context);
      this.#pods.set(uid, lifecycle);
      lifecycle.begin();
    } else if (type === 'MODIFIED') {
      this.#pods.get(uid)?.update(object);
    } else {
      this.#destroy(uid);
      emptyNamespace(this.#context.store, namespace);
    }
  }

  #destroy(uid: string): void {
    const lifecycle = this.#pods.get(uid);
    if (lifecycle === undefined) return;
    this.#pods.delete(uid);
    this.#track(lifecycle.destroy());
  }

  #claimChanged({ type, object }: StoreEvent): void {
    if (type === 'DELETED') this.#track(removeTree(join(this.#context.directory, 'claims', object.metadata.uid)));
  }

  #track(work: Promise<void>): void {
    const tracked: Promise<void> = work
      .catch((error: unknown) => this.#context.logger.warn(`cleaning up failed: ${String(error)}`))
      .finally(() => this.#cleanups.delete(tracked));
    this.#cleanups.add(tracked);
  }
}
