import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { V1Container } from '@kubernetes/client-node';
import { Timer } from '../../internal/timer.ts';
import { apiTime, isPod, type Pod, type PodStatus } from '../objects/api-object.ts';
import { finishDeletion } from '../objects/object-deletion.ts';
import { removeTree } from '../remove-tree.ts';
import { ContainerRunner } from './container-runner.ts';
import { podStatus, unschedulableStatus } from './pod-status.ts';
import { setUpVolumes, VolumeNotReadyError, type VolumeSource } from './pod-volumes.ts';
import { nextChange, type RunnerContext } from './runner-context.ts';
import { unschedulableReason } from './scheduling.ts';

/**
 * Manages one pod from its creation to its end: schedules it, runs its containers, writes its
 * status, and removes it after its deletion.
 */
export class PodLifecycle {
  readonly #context: RunnerContext;
  readonly #directory: string;
  readonly #stopped = new AbortController();
  readonly #inits: readonly ContainerRunner[];
  readonly #mains: readonly ContainerRunner[];
  #pod: Pod;
  /** The grace period of the current deletion. */
  #graceSeconds: number | undefined;
  #startTime = '';
  #sandboxReady = false;
  #failure: { readonly reason: string; readonly message: string } | undefined;
  #writePending = false;
  #finished: Promise<void> = Promise.resolve();
  #deadline: Timer | undefined;

  constructor(pod: Pod, context: RunnerContext) {
    this.#pod = pod;
    this.#context = context;
    this.#directory = join(context.directory, 'pods', pod.metadata.uid);
    this.#inits = (pod.spec.initContainers ?? []).map((container) => this.#runner(container, true));
    this.#mains = pod.spec.containers.map((container) => this.#runner(container, false));
  }

  /** Starts the pod. Reports failures in the status and in events. */
  begin(): void {
    this.#finished = this.#run().catch((error: unknown) => {
      this.#context.logger.error(
        `pod ${this.#pod.metadata.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
      this.#fail('UnexpectedAdmissionError', error instanceof Error ? error.message : String(error));
    });
  }

  /** Handles an update of the pod. */
  update(pod: Pod): void {
    this.#pod = pod;
    const grace = pod.metadata.deletionGracePeriodSeconds;
    if (grace === undefined || grace === this.#graceSeconds) return;
    this.#graceSeconds = grace;
    void this.#terminate(grace * 1000);
  }

  container(name: string): ContainerRunner | undefined {
    return [...this.#mains, ...this.#inits].find((runner) => runner.name === name);
  }

  /** Ends every process of the pod without a grace period and removes the pod's directory. */
  async destroy(): Promise<void> {
    await this.#stop(0);
    await removeTree(this.#directory);
  }

  #runner(container: V1Container, init: boolean): ContainerRunner {
    const policy = this.#pod.spec.restartPolicy;
    const ofPod = policy === 'OnFailure' || policy === 'Never' ? policy : 'Always';
    const ofInit = container.restartPolicy === 'Always' ? 'Always' : ofPod === 'Never' ? 'Never' : 'OnFailure';
    return new ContainerRunner({
      context: this.#context,
      pod: () => this.#pod,
      container,
      restart: init ? ofInit : ofPod,
      directory: join(this.#directory, 'containers', container.name),
      onChange: () => this.#statusChanged(),
    });
  }

  async #run(): Promise<void> {
    if (!this.#schedule()) return;
    await mkdir(join(this.#directory, 'volumes'), { recursive: true });
    const volumes = await this.#awaitVolumes();
    if (volumes === undefined) return;
    this.#sandboxReady = true;
    this.#startDeadline();
    if (!(await this.#initialise(volumes))) return;
    await Promise.all(this.#mains.map((runner) => runner.run(volumes)));
    this.#deadline?.clear();
    if (!this.#stopped.signal.aborted) await Promise.all(this.#inits.map((runner) => runner.stop(0)));
  }

  #schedule(): boolean {
    const { node, store, events } = this.#context;
    const now = apiTime(Date.now());
    const requestedNode = this.#pod.spec.nodeName;
    const reason =
      requestedNode !== undefined && requestedNode !== '' ? undefined : unschedulableReason(this.#pod, node);
    if (reason !== undefined) {
      store.update('pods', withStatus(this.#pod, unschedulableStatus(this.#pod, reason, now)));
      events.record(this.#pod, {
        type: 'Warning',
        reason: 'FailedScheduling',
        message: reason,
        component: 'default-scheduler',
      });
      return false;
    }
    if (requestedNode !== undefined && requestedNode !== '' && requestedNode !== node.name) return false;
    this.#startTime = now;
    if (this.#inits.length > 0) for (const runner of this.#mains) runner.wait('PodInitializing');
    const { namespace = '', name } = this.#pod.metadata;
    this.#pod = { ...this.#pod, spec: { ...this.#pod.spec, nodeName: node.name } };
    events.record(this.#pod, {
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${namespace}/${name} to ${node.name}`,
      component: 'default-scheduler',
    });
    this.#writeStatus();
    return true;
  }

  async #awaitVolumes(): Promise<ReadonlyMap<string, VolumeSource> | undefined> {
    const { store, events, directory } = this.#context;
    const places = { store, directory: join(this.#directory, 'volumes'), claims: join(directory, 'claims') };
    while (!this.#stopped.signal.aborted) {
      try {
        return await setUpVolumes(this.#pod, places);
      } catch (error) {
        if (!(error instanceof VolumeNotReadyError)) throw error;
        events.record(this.#pod, {
          type: 'Warning',
          reason: 'FailedMount',
          message: error.message,
          component: 'kubelet',
        });
        await nextChange(store, ['configmaps', 'secrets', 'persistentvolumeclaims'], this.#stopped.signal);
      }
    }
    return undefined;
  }

  /**
   * Runs the init containers in order. Resolves with whether the pod's own containers may start.
   */
  async #initialise(volumes: ReadonlyMap<string, VolumeSource>): Promise<boolean> {
    for (const [index, runner] of this.#inits.entries()) {
      if (this.#stopped.signal.aborted) return false;
      const sidecar = this.#pod.spec.initContainers?.[index]?.restartPolicy === 'Always';
      const began = Promise.withResolvers<void>();
      const ended = runner.run(volumes, () => began.resolve());
      await (sidecar ? Promise.race([began.promise, ended]) : ended);
      if (!sidecar && runner.status.state.terminated?.exitCode !== 0) return false;
    }
    for (const runner of this.#mains) runner.wait('ContainerCreating');
    return !this.#stopped.signal.aborted;
  }

  #startDeadline(): void {
    const seconds = this.#pod.spec.activeDeadlineSeconds;
    if (seconds === undefined) return;
    this.#deadline = new Timer(seconds * 1000, () => {
      this.#fail('DeadlineExceeded', 'Pod was active on the node longer than the specified deadline');
      void this.#stop((this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000);
    });
  }

  #fail(reason: string, message: string): void {
    this.#failure = { reason, message };
    this.#statusChanged();
  }

  async #terminate(graceMs: number): Promise<void> {
    await this.#stop(graceMs);
    this.#writeStatus();
    finishDeletion(this.#context.store, 'pods', this.#pod);
  }

  /** Stops the pod's containers, then its sidecars. */
  async #stop(graceMs: number): Promise<void> {
    this.#deadline?.clear();
    this.#stopped.abort();
    const deadline = Date.now() + graceMs;
    await Promise.all(this.#mains.map((runner) => runner.stop(graceMs)));
    await Promise.all(this.#inits.map((runner) => runner.stop(Math.max(0, deadline - Date.now()))));
    await this.#finished;
  }

  /** Schedules a write of the status in a microtask, which covers all changes until then. */
  #statusChanged(): void {
    if (this.#writePending || this.#startTime === '') return;
    this.#writePending = true;
    queueMicrotask(() => {
      this.#writePending = false;
      this.#writeStatus();
    });
  }

  #writeStatus(): void {
    const { store } = this.#context;
    const { namespace, name, uid } = this.#pod.metadata;
    const current = store.find('pods', namespace, name);
    if (!isPod(current) || current.metadata.uid !== uid || this.#startTime === '') return;
    const status = podStatus({
      pod: current,
      initStatuses: this.#inits.map((runner) => runner.status),
      statuses: this.#mains.map((runner) => runner.status),
      sandboxReady: this.#sandboxReady,
      startTime: this.#startTime,
      failure: this.#failure,
      now: apiTime(Date.now()),
    });
    const bound: Pod = { ...current, spec: { ...current.spec, nodeName: this.#context.node.name } };
    const updated = store.update('pods', withStatus(bound, status));
    if (isPod(updated)) this.#pod = updated;
  }
}

function withStatus(pod: Pod, status: PodStatus): Pod {
  return { ...pod, metadata: { ...pod.metadata, resourceVersion: '' }, status };
}
