import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { KubernetesWorkerOptions, StepProgress } from '../../src/index.ts';
import { makeContainer, newOwner } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { faultyRegistry, kubeRegistry } from '../support/kube/kube-registry.ts';
import { namespaceReady, type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';
import { tarOf } from '../support/tar.ts';

/** A delegate that keeps the events. */
class Recorder {
  readonly events: StepProgress[] = [];
  readonly #waiting = new Map<string, () => void>();

  progress(event: StepProgress): void {
    this.events.push(event);
    this.#waiting.get(event.kind)?.();
  }

  /** Resolves at the next event of this kind. */
  async next(kind: StepProgress['kind']): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.set(kind, resolve));
  }

  get kinds(): readonly string[] {
    return this.events.map(({ kind }) => kind);
  }

  find<K extends StepProgress['kind']>(kind: K): (StepProgress & { readonly kind: K }) | undefined {
    return this.events.find((event): event is StepProgress & { readonly kind: K } => event.kind === kind);
  }
}

describe('the progress of a step on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let api: CoreV1Api;
  let recorder: Recorder;

  const setupIn = (namespace: string, options: Partial<KubernetesWorkerOptions> = {}) =>
    realWorkers(real!, database!, {
      // Its permissions are those of one namespace.
      account: namespace === real!.namespace ? real!.account : undefined,
      namespace,
      options,
    });

  before(async function () {
    real = await realCluster(this, 'progress');
    database = await newPGlite();
    api = real.kubeConfig.makeApiClient(CoreV1Api);
  });

  after(async () => {
    await real?.remove();
    await database?.close();
  });

  beforeEach(() => {
    recorder = new Recorder();
  });

  it('shows a quota without room once, in its words, and continues when it has room', async () => {
    const namespace = `${real!.namespace}-quota`;
    await api.createNamespace({ body: { metadata: { name: namespace } } });
    try {
      await namespaceReady(api, namespace);
      const body = { metadata: { name: 'few' }, spec: { hard: { pods: '1' } } };
      await api.createNamespacedResourceQuota({ namespace, body });
      await using worker = await setupIn(namespace).open();
      const first = await makeContainer(worker, shellImage);
      const waiting = recorder.next('waiting-for-quota');
      const creating = worker.findOrCreateContainer(newOwner(), { image: shellImage }, { delegate: recorder });
      await waiting;
      await worker.ownerFinished(first.owner);
      while ((await worker.reap()).deletedPods === 0) await new Promise((resolve) => setTimeout(resolve, 200));
      await creating;
      expect(recorder.kinds.slice(0, 3)).to.deep.equal(['creating-pod', 'waiting-for-quota', 'scheduled']);
      expect(recorder.kinds.at(-1)).to.equal('ready');
      expect(recorder.find('waiting-for-quota')?.message).to.match(/exceeded quota: few, requested: pods=1/);
    } finally {
      await api.deleteNamespace({ name: namespace, gracePeriodSeconds: 0 });
    }
  });

  it('shows a volume that cannot be mounted once, in the words of the node, and continues when it can', async () => {
    const { namespace } = real!;
    await using worker = await setupIn(namespace).open();
    const spec = { image: shellImage, secretMounts: [{ path: '/keys', secretName: 'late' }] };
    const waiting = recorder.next('waiting-for-volumes');
    const creating = worker.findOrCreateContainer(newOwner(), spec, { delegate: recorder });
    await waiting;
    const body = { metadata: { name: 'late' }, stringData: { key: 'value' } };
    await api.createNamespacedSecret({ namespace, body });
    await creating;
    expect(recorder.kinds.slice(0, 4)).to.deep.equal(['creating-pod', 'scheduled', 'pulling', 'waiting-for-volumes']);
    expect(recorder.kinds.filter((kind) => kind === 'waiting-for-volumes')).to.have.length(1);
    expect(recorder.find('waiting-for-volumes')?.message).to.match(/secret "late" not found/);
  });

  it("shows a pod without a node once, in the scheduler's words, and continues when a node accepts it [A26]", async () => {
    const label = `progress-${randomBytes(4).toString('hex')}`;
    const [node] = (await api.listNode()).items;
    const name = node?.metadata?.name ?? '';
    const setLabel = (value: string | null): Promise<unknown> =>
      api.patchNode(
        { name, body: { metadata: { labels: { [label]: value } } } },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
    await using worker = await setupIn(real!.namespace, { pods: { nodeSelector: { [label]: 'yes' } } }).open();
    const waiting = recorder.next('unschedulable');
    const creating = worker.findOrCreateContainer(newOwner(), { image: shellImage }, { delegate: recorder });
    await waiting;
    try {
      await setLabel('yes');
      await creating;
    } finally {
      await setLabel(null);
    }
    expect(recorder.kinds.slice(0, 3)).to.deep.equal(['creating-pod', 'unschedulable', 'scheduled']);
    expect(recorder.find('unschedulable')?.message).to.match(/^0\/\d+ nodes are available/);
    expect(recorder.find('scheduled')).to.include({ nodeName: name });
  });

  it('shows an image that is pulled, and that the node then has it [A48]', async function () {
    // Of a pull that takes less time than the pod's status, only its end is seen.
    await using registry = await faultyRegistry(kubeRegistry(this), { silentUntil: recorder.next('pulling') });
    const image = `${registry.host}/busybox:1`;
    // A node may have the image of an earlier test.
    await using worker = await setupIn(real!.namespace, { images: { pullPolicy: 'Always' } }).open();
    await worker.findOrCreateContainer(newOwner(), { image }, { delegate: recorder });
    expect(recorder.kinds).to.deep.equal(['creating-pod', 'scheduled', 'pulling', 'pulled', 'agent-ready', 'ready']);
    for (const kind of ['pulling', 'pulled'] as const) expect(recorder.find(kind)).to.include({ image });
  });

  it('shows no pulled image if the pull fails, and no later event', async () => {
    await using worker = await setupIn(real!.namespace, { imagePullTimeoutMs: 1_000 }).open();
    const image = 'registry.local:1/busybox:1';
    const creating = worker.findOrCreateContainer(newOwner(), { image }, { delegate: recorder });
    expect(await rejection(creating)).to.include({ code: 'KW_ERR_IMAGE_PULL_FAILED' });
    expect(recorder.kinds).to.deep.equal(['creating-pod', 'scheduled', 'pulling']);
  });

  it('shows the bytes of a large input while they arrive', async () => {
    await using worker = await setupIn(real!.namespace).open();
    const { volume } = await worker.createVolumeForArtifact('team');
    const { rawBytes } = await volume.streamIn('.', Readable.from([await tarOf({ large: randomBytes(96 << 20) })]));
    const spec = { image: shellImage, inputs: [{ artifact: volume, path: '/tmp/in' }] };
    await worker.findOrCreateContainer(newOwner(), spec, { delegate: recorder });
    const inputs = recorder.events.filter((event) => event.kind === 'streaming-input');
    expect(inputs.length).to.be.greaterThan(2);
    const received = inputs.map(({ receivedBytes }) => receivedBytes);
    expect(received).to.deep.equal([...received].sort((a, b) => a - b));
    expect(inputs[0]).to.include({ receivedBytes: 0, totalBytes: rawBytes, isComplete: false });
    const last = inputs.at(-1)!;
    expect(last).to.include({ isComplete: true, totalBytes: last.receivedBytes });
    await worker.expireArtifact(volume.handle);
  });
});
