import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';

import {
  type ContainerSpec,
  KubernetesWorker,
  type KubernetesWorkerOptions,
  type StepProgress,
} from '../../src/index.ts';
import { AsyncStack } from '../harness/async-stack.ts';
import { PodSightings } from './pod-sightings.ts';

/** A failure as the host sees it, with the times of the provocation and of the rejection. */
export interface Provoked {
  readonly error: unknown;
  readonly provokedMs: number;
  readonly rejectedMs: number;
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

  /** Creates a container, which fails. `act` is called at an event of its progress. */
  async creation(
    parts: Partial<ContainerSpec>,
    options: Partial<KubernetesWorkerOptions> = {},
    act?: { readonly at: StepProgress['kind']; readonly call: (podName: string) => Promise<unknown> },
  ): Promise<Provoked> {
    await using worker = await this.#openWorker(options);
    let provokedMs = performance.now();
    const progress = async (event: StepProgress): Promise<void> => {
      if (event.kind !== act?.at) return;
      provokedMs = performance.now();
      await act.call(event.podName);
    };
    const owner = { kind: 'failure', key: randomUUID() };
    const creating = worker.findOrCreateContainer(owner, { image: this.#image, ...parts }, { delegate: { progress } });
    return await rejectionOf(creating, () => provokedMs);
  }

  /** Creates a container and runs a command in it, which fails. */
  async command({ script, act, ...parts }: FailingCommand): Promise<Provoked> {
    const owner = { kind: 'failure', key: randomUUID() };
    const { container } = await this.#running.findOrCreateContainer(owner, {
      image: this.#image,
      dir: '/tmp/failure',
      ...parts,
    });
    const ready = Promise.withResolvers<void>();
    const stdout = new Writable({
      write: (chunk, _encoding, done) => {
        if (String(chunk).includes('ready')) ready.resolve();
        done();
      },
    });
    let provokedMs = performance.now();
    const running = container.run({ path: 'sh', args: ['-c', script] }, { stdout });
    const waiting = rejectionOf(
      running.then((process) => process.wait()),
      () => provokedMs,
    );
    await Promise.race([ready.promise, waiting]);
    // The API reports up to a second late that a container runs.
    if (act !== undefined) await sleep(2_000);
    provokedMs = performance.now();
    await act?.(container.podName);
    const provoked = await waiting;
    await this.#running.ownerFinished(owner);
    return provoked;
  }

  /** Runs a program that the image does not have. */
  async missingProgram(): Promise<Provoked> {
    const owner = { kind: 'failure', key: randomUUID() };
    const { container } = await this.#running.findOrCreateContainer(owner, { image: this.#image });
    const provokedMs = performance.now();
    const provoked = await rejectionOf(container.run({ path: '/no/such' }, {}), () => provokedMs);
    await this.#running.ownerFinished(owner);
    return provoked;
  }

  async evict(name: string): Promise<void> {
    const metadata = { name, namespace: this.namespace };
    await this.api.createNamespacedPodEviction({ ...metadata, body: { metadata } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]();
  }
}

async function rejectionOf(work: Promise<unknown>, provokedMs: () => number): Promise<Provoked> {
  try {
    await work;
  } catch (error) {
    return { error, provokedMs: provokedMs(), rejectedMs: performance.now() };
  }
  throw new Error('the provoked failure was not reported');
}
