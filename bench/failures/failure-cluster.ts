import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, KubeConfig, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';

import {
  type Container,
  type ContainerSpec,
  KubernetesWorker,
  type KubernetesWorkerOptions,
  type StepProgress,
} from '../../src/index.ts';
import { AsyncStack } from '../harness/async-stack.ts';
import { PodSightings } from './pod-sightings.ts';

/** A failure as the host sees it, with the times of the provocation and of the detection. */
export interface Provoked {
  /** `undefined`: the call has succeeded. */
  readonly error: unknown;
  readonly podName: string | undefined;
  readonly provokedMs: number;
  readonly detectedMs: number;
}

/** What happens during a creation. */
export interface CreationOptions {
  /** The event of the progress at which `act` is called. */
  readonly at?: StepProgress['kind'];
  readonly act?: (podName: string) => Promise<unknown>;
  /** The first event of this kind is the detection. @defaultValue the end of the creation */
  readonly notice?: StepProgress['kind'];
}

export interface FailingCommand extends Partial<ContainerSpec> {
  /** A script that prints `ready`. */
  readonly script: string;
  /** Called when the command has printed it. */
  readonly act?: ((podName: string) => Promise<unknown>) | undefined;
}

/** Provokes failures in a namespace of its own, in the process of the benchmark. */
export class FailureCluster implements AsyncDisposable {
  readonly api: CoreV1Api;
  readonly namespace = `failures-${randomUUID().slice(0, 8)}`;
  readonly #config = new KubeConfig();
  readonly #name = `failures-${randomUUID()}`;
  readonly #opened = new AsyncStack();
  readonly #image: string;
  readonly #database = new PGlite();
  #sightings: PodSightings | undefined;
  #worker: KubernetesWorker | undefined;

  private constructor(image: string, path: string) {
    this.#image = image;
    this.#config.loadFromFile(path);
    this.api = this.#config.makeApiClient(CoreV1Api);
  }

  static async open(path: string, image: string): Promise<FailureCluster> {
    const cluster = new FailureCluster(image, path);
    await cluster.#open();
    return cluster;
  }

  async #open(): Promise<void> {
    const { api, namespace } = this;
    this.#opened.use(this.#database, (database) => database.close());
    await api.createNamespace({ body: { metadata: { name: namespace } } });
    this.#opened.use(api, (client) => client.deleteNamespace({ name: namespace, gracePeriodSeconds: 0 }));
    while ((await api.listNamespacedServiceAccount({ namespace })).items.length === 0) await sleep(100);
    this.#sightings = await PodSightings.start(this.#config, namespace);
    this.#opened.use(this.#sightings, async (sightings) => sightings[Symbol.dispose]());
    this.#worker = await this.#openWorker({});
    this.#opened.use(this.#worker, (worker) => worker.close());
  }

  get sightings(): PodSightings {
    if (this.#sightings === undefined) throw new Error('not open');
    return this.#sightings;
  }

  get #running(): KubernetesWorker {
    if (this.#worker === undefined) throw new Error('not open');
    return this.#worker;
  }

  #openWorker(options: Partial<KubernetesWorkerOptions>): Promise<KubernetesWorker> {
    const { namespace } = this;
    const [kubeConfig, database, name] = [this.#config, this.#database, this.#name];
    return KubernetesWorker.open({ name, kubeConfig, namespace, database, volumeImage: this.#image, ...options });
  }

  /** Creates a container, which fails unless the cluster recovers. */
  async creation(
    parts: Partial<ContainerSpec>,
    options: Partial<KubernetesWorkerOptions> = {},
    { at, act, notice }: CreationOptions = {},
  ): Promise<Provoked> {
    await using worker = await this.#openWorker(options);
    let provokedMs = performance.now();
    let noticedMs: number | undefined;
    let podName: string | undefined;
    const progress = async (event: StepProgress): Promise<void> => {
      ({ podName } = event);
      if (event.kind === notice) noticedMs ??= performance.now();
      if (event.kind !== at) return;
      provokedMs = performance.now();
      await act?.(event.podName);
    };
    const owner = { kind: 'failure', key: randomUUID() };
    const creating = worker.findOrCreateContainer(owner, { image: this.#image, ...parts }, { delegate: { progress } });
    const { error, endedMs } = await endOf(creating);
    await worker.ownerFinished(owner);
    if (notice !== undefined && noticedMs === undefined)
      throw new Error(`there was no event ${notice}`, { cause: error });
    return { error, podName, provokedMs, detectedMs: noticedMs ?? endedMs };
  }

  /** Creates a container and runs a command in it, which fails. */
  async command({ script, act, ...parts }: FailingCommand): Promise<Provoked> {
    const { container, finish } = await this.#container({ dir: '/tmp/failure', ...parts });
    const ready = Promise.withResolvers<void>();
    const stdout = new Writable({
      write: (chunk, _encoding, done) => {
        if (String(chunk).includes('ready')) ready.resolve();
        done();
      },
    });
    let provokedMs = performance.now();
    const running = container.run({ path: 'sh', args: ['-c', script] }, { stdout });
    const waiting = endOf(running.then((process) => process.wait()));
    await Promise.race([ready.promise, waiting]);
    // The API reports up to a second late that a container runs.
    if (act !== undefined) await sleep(2_000);
    provokedMs = performance.now();
    await act?.(container.podName);
    const { error, endedMs } = await waiting;
    await finish();
    return { error, podName: container.podName, provokedMs, detectedMs: endedMs };
  }

  /** Creates a container, and runs a program in it after something has happened. */
  async nextRun(
    program: string,
    parts: Partial<ContainerSpec> = {},
    {
      act,
      ...options
    }: Partial<KubernetesWorkerOptions> & { readonly act?: (podName: string) => Promise<unknown> } = {},
  ): Promise<Provoked> {
    await using worker = await this.#openWorker(options);
    const { container, finish } = await this.#container(parts);
    const { podName, handle } = container;
    const found = (await worker.lookupContainer(handle)) ?? container;
    await act?.(podName);
    const provokedMs = performance.now();
    const { error, endedMs } = await endOf(found.run({ path: program }, {}));
    await finish();
    return { error, podName, provokedMs, detectedMs: endedMs };
  }

  /**
   * Runs a command that prints all the time, and calls `act` meanwhile. Its output arriving again after
   * `act` is the detection.
   */
  async continued(parts: Partial<ContainerSpec>, act: () => Promise<unknown>): Promise<Provoked> {
    const { container, finish } = await this.#container(parts);
    let chunks = 0;
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => {
        chunks += 1;
        done();
      },
    });
    const script = 'i=0; while [ $i -lt 75 ]; do i=$((i+1)); echo $i; sleep 0.2; done';
    const process = await container.run({ path: 'sh', args: ['-c', script] }, { stdout });
    const waiting = endOf(process.wait());
    while (chunks < 3) await sleep(20);
    const provokedMs = performance.now();
    await act();
    const before = chunks;
    while (chunks === before) await sleep(20);
    const detectedMs = performance.now();
    const { error } = await waiting;
    await finish();
    return { error, podName: container.podName, provokedMs, detectedMs };
  }

  async #container(
    parts: Partial<ContainerSpec>,
  ): Promise<{ readonly container: Container; readonly finish: () => Promise<void> }> {
    const owner = { kind: 'failure', key: randomUUID() };
    const { container } = await this.#running.findOrCreateContainer(owner, { image: this.#image, ...parts });
    return { container, finish: () => this.#running.ownerFinished(owner) };
  }

  async evict(name: string): Promise<void> {
    const metadata = { name, namespace: this.namespace };
    await this.api.createNamespacedPodEviction({ ...metadata, body: { metadata } });
  }

  async cordon(nodeName: string, unschedulable: boolean): Promise<void> {
    await this.api.patchNode(
      { name: nodeName, body: { spec: { unschedulable } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
  }

  /** Sets the Pod Security level that the namespace enforces. */
  async enforce(level: 'restricted' | null): Promise<void> {
    const labels = { 'pod-security.kubernetes.io/enforce': level };
    await this.api.patchNamespace(
      { name: this.namespace, body: { metadata: { labels } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
  }

  /** Forbids pods in the namespace. Resolves when the quota is in effect. */
  async forbidPods(): Promise<void> {
    const { api, namespace } = this;
    await api.createNamespacedResourceQuota({
      namespace,
      body: { metadata: { name: 'none' }, spec: { hard: { pods: '0' } } },
    });
    const used = async () => (await api.readNamespacedResourceQuota({ namespace, name: 'none' })).status?.used;
    while ((await used())?.['pods'] === undefined) await sleep(50);
  }

  async permitPods(): Promise<void> {
    await this.api.deleteNamespacedResourceQuota({ namespace: this.namespace, name: 'none' });
  }

  /** Resolves when no pod of this name exists. */
  async removed(name: string): Promise<void> {
    const { api, namespace } = this;
    await api.deleteNamespacedPod({ namespace, name });
    const fieldSelector = `metadata.name=${name}`;
    while ((await api.listNamespacedPod({ namespace, fieldSelector })).items.length > 0) await sleep(50);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]();
  }
}

/** Returns a pod's affinity to one node. */
export function onNode(name: string): Partial<ContainerSpec> {
  const matchFields = [{ key: 'metadata.name', operator: 'In' as const, values: [name] }];
  const required = { nodeSelectorTerms: [{ matchFields }] };
  return { pod: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } } } };
}

async function endOf(work: Promise<unknown>): Promise<{ readonly error: unknown; readonly endedMs: number }> {
  let error: unknown;
  try {
    await work;
  } catch (cause) {
    error = cause;
  }
  return { error, endedMs: performance.now() };
}
