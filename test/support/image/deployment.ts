import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { AppsV1Api, CoreV1Api, type KubeConfig, type V1Deployment, type V1Pod, Watch } from '@kubernetes/client-node';

const pollMs = 200;

/** A deployment that a test disturbs. */
export class DisturbedDeployment implements AsyncDisposable {
  readonly #core: CoreV1Api;
  readonly #apps: AppsV1Api;
  readonly #deployment: V1Deployment;
  readonly #name: string;
  readonly #namespace: string;
  readonly #replicas: number;
  readonly #exitCodes = new Map<string, number>();
  readonly #watch: Promise<AbortController>;

  constructor(kubeConfig: KubeConfig, deployment: V1Deployment) {
    this.#core = kubeConfig.makeApiClient(CoreV1Api);
    this.#apps = kubeConfig.makeApiClient(AppsV1Api);
    this.#deployment = deployment;
    this.#name = deployment.metadata?.name ?? '';
    this.#namespace = deployment.metadata?.namespace ?? '';
    this.#replicas = deployment.spec?.replicas ?? 1;
    const options = { labelSelector: this.#labels };
    const onPod = (_type: string, pod: V1Pod): void => this.#note(pod);
    this.#watch = new Watch(kubeConfig).watch(`/api/v1/namespaces/${this.#namespace}/pods`, options, onPod, () => {});
  }

  get #labels(): string {
    const labels = this.#deployment.spec?.selector.matchLabels ?? {};
    return Object.entries(labels)
      .map(([name, value]) => `${name}=${value}`)
      .join();
  }

  /**
   * Waits until this many replicas have ended by an order of Kubernetes, and not by `kill`. Returns their
   * exit codes.
   */
  async exitCodes(replicas: number): Promise<readonly number[]> {
    while (this.#exitCodes.size < replicas) await sleep(pollMs);
    return [...this.#exitCodes.values()];
  }

  #note({ metadata, status }: V1Pod): void {
    const exitCode = status?.containerStatuses?.[0]?.state?.terminated?.exitCode;
    if (exitCode !== undefined && metadata?.deletionTimestamp !== undefined)
      this.#exitCodes.set(metadata.name ?? '', exitCode);
  }

  /** Returns the replicas that are not being deleted. */
  async pods(): Promise<readonly V1Pod[]> {
    const { items } = await this.#core.listNamespacedPod({ namespace: this.#namespace, labelSelector: this.#labels });
    return items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  }

  /** Waits until every replica is ready and of the latest version, and no other one is left. */
  async ready(): Promise<void> {
    for (;;) {
      const { metadata, status = {} } = await this.#apps.readNamespacedDeployment({
        name: this.#name,
        namespace: this.#namespace,
      });
      const counts = [status.replicas, status.readyReplicas, status.updatedReplicas, status.availableReplicas];
      const isSeen = (status.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
      if (isSeen && counts.every((count) => count === this.#replicas)) return;
      await sleep(pollMs);
    }
  }

  /** Kills the process of one replica with SIGKILL. The node has to run on this machine. */
  async kill(): Promise<void> {
    const [pod] = await this.pods();
    const uid = pod?.metadata?.uid ?? '';
    const [processId] = processesOfPod(uid);
    if (processId === undefined) throw new Error(`no process of pod ${uid} runs on this machine`);
    process.kill(processId, 'SIGKILL');
    for (;;) {
      const [killed] = (await this.pods()).filter(({ metadata }) => metadata?.uid === uid);
      if ((killed?.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0) return;
      await sleep(pollMs);
    }
  }

  /** Replaces every replica, as a new version does. */
  async roll(): Promise<void> {
    this.#deployment.spec!.template.metadata!.annotations = { 'test/rolled': 'true' };
    await this.#apps.replaceNamespacedDeployment({
      name: this.#name,
      namespace: this.#namespace,
      body: this.#deployment,
    });
  }

  /** Evicts one replica, as `kubectl drain` does. */
  async drain(): Promise<void> {
    const [pod] = await this.pods();
    const name = pod?.metadata?.name ?? '';
    const body = { metadata: { name, namespace: this.#namespace } };
    await this.#core.createNamespacedPodEviction({ name, namespace: this.#namespace, body });
    while ((await this.pods()).some(({ metadata }) => metadata?.name === name)) await sleep(pollMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#watch).abort();
  }
}

/** Returns the processes of this machine that belong to the container of the service in a pod. */
function processesOfPod(uid: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      const text = (file: string): string => readFileSync(`/proc/${name}/${file}`, 'utf8');
      try {
        return text('cgroup').replaceAll('_', '-').includes(uid) && text('cmdline').startsWith('/usr/local/bin/node\0');
      } catch {
        return false;
      }
    })
    .map(Number);
}
