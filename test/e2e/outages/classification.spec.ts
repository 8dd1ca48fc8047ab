import { randomBytes } from 'node:crypto';

import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { KubernetesWorker, KubernetesWorkerOptions } from '../../../src/index.ts';
import { makeContainer, newOwner, sh } from '../../contract/worker/setup.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { faultyRegistry, type KubeRegistry, kubeRegistry } from '../../support/kube/kube-registry.ts';
import { namespaceReady, type RealCluster, realCluster, realWorkers, shellImage } from '../../support/real-cluster.ts';
import { rejection } from '../../support/rejection.ts';

describe("KubernetesWorker's classification of refusals and failures of a real cluster", function () {
  this.timeout(180_000);
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let api: CoreV1Api;
  let worker: KubernetesWorker;

  const setupIn = (namespace: string, options: Partial<KubernetesWorkerOptions> = {}) =>
    realWorkers(real!, database!, {
      // Its permissions are those of one namespace.
      account: namespace === real!.namespace ? real!.account : undefined,
      namespace,
      options,
    });

  before(async function () {
    real = await realCluster(this, 'classification');
    database = await newPGlite();
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    worker = await setupIn(real.namespace).openWith({});
  });

  after(async () => {
    await (worker as KubernetesWorker | undefined)?.close();
    await real?.remove();
    await database?.close();
  });

  /** Returns the error of a failed creation, and its duration in seconds. */
  async function failure(image: string): Promise<{ readonly error: Error; readonly seconds: number }> {
    const startedAt = Date.now();
    const error = await rejection(worker.findOrCreateContainer(newOwner(), { image }));
    return { error, seconds: (Date.now() - startedAt) / 1000 };
  }

  context('an image that cannot be pulled', () => {
    for (const [what, image, words] of [
      ['is missing', 'registry.local:5000/none:1', 'not found'],
      ['has no such tag', 'registry.local:5000/busybox:no-such-tag', 'not found'],
      ['needs a login', 'registry.local:5001/busybox:1', '401'],
      ['is for another machine', 'registry.local:5000/other-arch:1', 'no match for platform'],
    ] as const) {
      it(`that ${what} is final at the second pull, in the registry's words`, async () => {
        const { error, seconds } = await failure(image);
        expect(error).to.include({ code: 'KW_ERR_IMAGE_PULL_FAILED', retryable: false, image });
        expect(error.message.toLowerCase()).to.include(words);
        expect(seconds).to.be.at.least(5);
      });
    }

    it('with an invalid name is refused without a pod', async () => {
      const { error } = await failure('registry.local:5000/UPPER:1');
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'image' });
    });

    it('without a registry is retried until the image pull time-out, and the error is retryable', async () => {
      await using impatient = await setupIn(real!.namespace, { imagePullTimeoutMs: 3_000 }).open();
      const error = await rejection(
        impatient.findOrCreateContainer(newOwner(), { image: 'registry.local:1/busybox:1' }),
      );
      expect(error).to.include({ code: 'KW_ERR_IMAGE_PULL_FAILED', retryable: true });
      expect(error.message).to.include('connection refused');
    });
  });

  context('a registry', () => {
    let registry: KubeRegistry;

    before(function () {
      registry = kubeRegistry(this);
    });

    for (const status of [429, 503]) {
      it(`that responds with ${String(status)} to two pulls causes no failure`, async () => {
        await using faulty = await faultyRegistry(registry, { status, refusedPulls: 2 });
        // A node may have the image of an earlier test.
        await using pulling = await setupIn(real!.namespace).openWith({ images: { pullPolicy: 'Always' } });
        const { container, owner } = await makeContainer(pulling, `${faulty.host}/busybox:1`);
        expect(faulty.pulls).to.be.at.least(3);
        expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
        await pulling.ownerFinished(owner);
      });
    }

    it('that is stopped for twenty seconds during a pull causes no failure', async () => {
      const tag = `t${randomBytes(4).toString('hex')}`;
      await registry.tag('busybox', '1', tag);
      await registry.stop();
      let isStarted: Promise<void> | undefined;
      const timer = setTimeout(() => {
        isStarted = registry.start();
      }, 20_000);
      try {
        const { container, owner } = await makeContainer(worker, `${registry.host}/busybox:${tag}`);
        expect(isStarted).to.not.equal(undefined);
        expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
        await worker.ownerFinished(owner);
      } finally {
        clearTimeout(timer);
        await (isStarted ?? registry.start());
      }
    });
  });

  context('a namespace', () => {
    let namespace: string;

    beforeEach(() => {
      namespace = `${real!.namespace}-${randomBytes(2).toString('hex')}`;
    });

    afterEach(async () => {
      await api.deleteNamespace({ name: namespace, gracePeriodSeconds: 0 });
    });

    const create = async (labels: Record<string, string> = {}): Promise<void> => {
      await api.createNamespace({ body: { metadata: { name: namespace, labels } } });
      await namespaceReady(api, namespace);
    };

    it('with an exhausted quota makes a pod wait, and rejects after the time-out', async () => {
      await create();
      await api.createNamespacedResourceQuota({
        namespace,
        body: { metadata: { name: 'few' }, spec: { hard: { pods: '1' } } },
      });
      await using full = await setupIn(namespace).open();
      const first = await makeContainer(full, shellImage);
      await using impatient = await setupIn(namespace, { schedulingTimeoutMs: 1_000 }).open();
      const error = await rejection(impatient.findOrCreateContainer(newOwner(), { image: shellImage }));
      expect(error).to.include({ code: 'KW_ERR_QUOTA_EXCEEDED', retryable: true });
      expect(error.message).to.match(/exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1$/);
      const waiting = makeContainer(full, shellImage);
      await full.ownerFinished(first.owner);
      while ((await full.reap()).deletedPods === 0) await new Promise((resolve) => setTimeout(resolve, 200));
      const { container } = await waiting;
      expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
    });

    it('with a quota of two pods runs six steps that start at once, with at most 60 creations by the API', async () => {
      await create();
      await api.createNamespacedResourceQuota({
        namespace,
        body: { metadata: { name: 'two' }, spec: { hard: { pods: '2' } } },
      });
      const refusals: string[] = [];
      const note = (message: string): void => {
        if (message === 'pod not created') refusals.push(message);
      };
      const logger = { debug: note, info: note, warn: note, error: note };
      await using tight = await setupIn(namespace, { logger }).open();
      const step = async (): Promise<string> => {
        const { container, owner } = await makeContainer(tight, shellImage);
        const { stdout } = await sh(container, 'echo works');
        await tight.ownerFinished(owner);
        return stdout;
      };
      let isDone = false;
      const steps = Promise.all(Array.from({ length: 6 }, step)).finally(() => (isDone = true));
      while (!isDone) {
        await tight.reap();
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      expect(await steps).to.deep.equal(Array.from({ length: 6 }, () => 'works\n'));
      expect(6 + refusals.length).to.be.within(7, 60);
    });

    it("with a LimitRange that forbids the limits is final at once, in the server's words", async () => {
      await create();
      await api.createNamespacedLimitRange({
        namespace,
        body: { metadata: { name: 'small' }, spec: { limits: [{ type: 'Container', max: { memory: '64Mi' } }] } },
      });
      await using limited = await setupIn(namespace).open();
      const spec = { image: shellImage, limits: { memoryBytes: 128 * 1024 * 1024 } };
      const error = await rejection(limited.findOrCreateContainer(newOwner(), spec));
      expect(error).to.include({ code: 'KW_ERR_ADMISSION_DENIED', retryable: false });
      expect(error.message).to.include('maximum memory usage per Container is 64Mi').and.not.include('Role');
    });

    it("with restricted Pod Security is final at once, in the server's words", async () => {
      await create({ 'pod-security.kubernetes.io/enforce': 'restricted' });
      await using strict = await setupIn(namespace).open();
      const error = await rejection(strict.findOrCreateContainer(newOwner(), { image: shellImage }));
      expect(error).to.include({ code: 'KW_ERR_ADMISSION_DENIED', retryable: false });
      expect(error.message).to.include('violates PodSecurity "restricted:latest"').and.not.include('Role');
    });
  });

  context('a live pod with labels that are removed manually', () => {
    it('follows its process to the end', async () => {
      const { container, owner } = await makeContainer(worker, shellImage);
      const process = await container.run(
        { path: 'sh', args: ['-c', 'until [ -e go ]; do sleep 0.1; done; exit 7'] },
        {},
      );
      const waiting = process.wait();
      const where = { name: container.podName, namespace: real!.namespace };
      const pod = await api.readNamespacedPod(where);
      pod.metadata!.labels = {};
      await api.replaceNamespacedPod({ ...where, body: pod });
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      await sh(container, 'touch go');
      expect((await waiting).exitStatus).to.equal(7);
      await worker.ownerFinished(owner);
    });
  });

  context('an environment', () => {
    it('is passed to each process, and is not in the Pod object', async () => {
      const largest = `LARGE=${'x'.repeat(131_071 - 'LARGE='.length)}`;
      const { container, owner } = await makeContainer(worker, shellImage, { env: ['TOKEN=very-secret', largest] });
      const pod = await api.readNamespacedPod({ name: container.podName, namespace: real!.namespace });
      expect(JSON.stringify(pod)).to.not.include('very-secret');
      expect((await sh(container, 'echo "$TOKEN ${#LARGE}"')).stdout).to.equal('very-secret 131065\n');
      await worker.ownerFinished(owner);
    });
  });

  context('a main container that ends at each start', () => {
    it('is reported after three starts, with exit code, reason and last output', async () => {
      const namespace = `${real!.namespace}-broken`;
      await api.createNamespace({ body: { metadata: { name: namespace } } });
      try {
        await namespaceReady(api, namespace);
        await using broken = await setupIn(namespace, { schedulingTimeoutMs: 1_000 }).open();
        // Delivers the agent before any node reads it, because nodes cache immutable config maps.
        await rejection(
          broken.findOrCreateContainer(newOwner(), { image: shellImage, limits: { cpuMilli: 4_000_000 } }),
        );
        const { items } = await api.listNamespacedConfigMap({ namespace });
        const name = items
          .map(({ metadata }) => metadata?.name ?? '')
          .find((each) => each.startsWith('kubernetes-worker-agent-'))!;
        await api.deleteNamespacedConfigMap({ namespace, name });
        const agent = Buffer.from('#!/bin/sh\necho cannot go on\nexit 9\n').toString('base64');
        await api.createNamespacedConfigMap({
          namespace,
          body: { metadata: { name }, immutable: true, binaryData: { agent } },
        });
        const error = await rejection(broken.findOrCreateContainer(newOwner(), { image: shellImage }));
        expect(error).to.include({ code: 'KW_ERR_POD_FAILED', reason: 'Error', retryable: false });
        expect(error.message).to.match(
          /container main ended at each of 3 starts, the last time with exit code 9; its last output: cannot go on$/,
        );
      } finally {
        await api.deleteNamespace({ name: namespace, gracePeriodSeconds: 0 });
      }
    });
  });
});
