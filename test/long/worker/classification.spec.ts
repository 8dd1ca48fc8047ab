import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { EmbeddedCluster } from '../../../src/embedded/index.ts';
import type { KubernetesWorker } from '../../../src/index.ts';
import { makeContainer, newOwner, run, sh } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';

const image = 'busybox:1';
const createsPod = { verb: 'create', resource: 'pods', subresource: '' };

describe("KubernetesWorker's classification of refusals and failures", () => {
  let cluster: EmbeddedCluster;
  let database: PGlite;
  let worker: KubernetesWorker;
  let setup: EmbeddedWorker['setup'];
  let api: CoreV1Api;
  let close: (() => Promise<void>) | undefined;

  before(async () => {
    ({ cluster, database, setup, worker, close } = await embeddedWorker(image));
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfigPath);
    api = config.makeApiClient(CoreV1Api);
  });

  after(async () => {
    await close?.();
  });

  context('when the API server cannot serve during the creation of a container', () => {
    for (const [status, times] of [
      [500, 3],
      [504, 2],
      [429, 6],
    ] as const) {
      it(`creates it after ${String(times)} responses of ${String(status)} to the creation of its pod [A23]`, async () => {
        using fault = cluster.faults.add({ kind: 'status', status, times, match: createsPod });
        const { container, owner } = await makeContainer(worker, image);
        expect(fault.hits).to.equal(times);
        expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
        await worker.ownerFinished(owner);
      });
    }

    it('creates one pod if each response is lost after the pod was created [A23]', async () => {
      using fault = cluster.faults.add({ kind: 'drop', direction: 'out', times: 3, match: createsPod });
      const before = (await setup.podNames()).length;
      const { container, owner } = await makeContainer(worker, image);
      expect(fault.hits).to.be.within(1, 3);
      expect((await setup.podNames()).length).to.equal(before + 1);
      expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
      await worker.ownerFinished(owner);
    });

    it("reads the agent's config map after the same responses", async () => {
      using fault = cluster.faults.add({ kind: 'status', status: 503, times: 5, match: { resource: 'configmaps' } });
      await using fresh = await setup.openWith({});
      const { owner } = await makeContainer(fresh, image);
      expect(fault.hits).to.equal(5);
      await worker.ownerFinished(owner);
    });
  });

  context('when the namespace does not accept the pod', () => {
    const forbidden = (why: string): string => `pods "kw-1" is forbidden: ${why}`;

    it('waits for quota', async () => {
      const message = forbidden('exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1');
      using fault = cluster.faults.add({
        kind: 'status',
        status: 403,
        reason: 'Forbidden',
        message,
        times: 3,
        match: createsPod,
      });
      const { owner } = await makeContainer(worker, image);
      expect(fault.hits).to.equal(3);
      await worker.ownerFinished(owner);
    });

    it('creates many in turn once a quota has room, and rejects what is too many', async () => {
      const message = forbidden('exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1');
      using fault = cluster.faults.add({
        kind: 'status',
        status: 403,
        reason: 'Forbidden',
        message,
        match: createsPod,
      });
      await using bounded = await setup.openWith({ maxWaitingForQuota: 3 });
      const creating = Array.from({ length: 4 }, () => makeContainer(bounded, image));
      await Promise.any(creating.map(rejection));
      fault.remove();
      const creations = await Promise.allSettled(creating);
      const failures = creations.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []));
      expect(failures).to.have.lengthOf(1);
      expect(failures[0]).to.include({ code: 'KW_ERR_QUOTA_EXCEEDED', retryable: true });
      expect(failures[0]?.message).to.include('the queue is full: 3 creations already wait');
      for (const each of creations) if (each.status === 'fulfilled') await worker.ownerFinished(each.value.owner);
    });

    it("rejects after a time-out with a retryable error in the server's words", async () => {
      const message = forbidden('exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1');
      using _fault = cluster.faults.add({
        kind: 'status',
        status: 403,
        reason: 'Forbidden',
        message,
        match: createsPod,
      });
      await using impatient = await setup.openWith({ schedulingTimeoutMs: 500 });
      const error = await rejection(impatient.findOrCreateContainer(newOwner(), { image }));
      expect(error).to.include({ code: 'KW_ERR_QUOTA_EXCEEDED', retryable: true, verb: 'create', resource: 'pods' });
      expect(error.message).to.include(message).and.not.include('Role');
    });

    for (const why of [
      'maximum cpu usage per Container is 1, but limit is 2',
      'violates PodSecurity "restricted:latest": runAsNonRoot != true',
    ]) {
      it(`rejects at once if it is not admitted: ${why}`, async () => {
        const message = forbidden(why);
        using fault = cluster.faults.add({
          kind: 'status',
          status: 403,
          reason: 'Forbidden',
          message,
          match: createsPod,
        });
        const error = await rejection(worker.findOrCreateContainer(newOwner(), { image }));
        expect(error).to.include({ code: 'KW_ERR_ADMISSION_DENIED', retryable: false });
        expect(error.message).to.include(message).and.not.include('Role');
        expect(fault.hits).to.equal(1);
      });
    }
  });

  context('when the container runtime of a node restarts', () => {
    it('follows a process, whatever error refuses an exec in the meantime [A18]', async () => {
      const { container, owner } = await makeContainer(worker, image);
      await using fresh = await setup.openWith({});
      const found = await fresh.lookupContainer(container.handle);
      const message =
        'error dialing backend: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing dial unix /run/containerd/containerd.sock: connect: no such file or directory"';
      using fault = cluster.faults.add({
        kind: 'status',
        status: 500,
        message,
        times: 4,
        match: { resource: 'pods', subresource: 'exec', name: container.podName },
      });
      expect((await sh(found!, 'echo works')).stdout).to.equal('works\n');
      expect(fault.hits).to.equal(4);
      await worker.ownerFinished(owner);
    });
  });

  context('when the labels of a live pod are removed manually', () => {
    it('follows its process to the end', async () => {
      const { container, owner } = await makeContainer(worker, image);
      const process = await container.run(
        { path: 'sh', args: ['-c', 'until [ -e go ]; do sleep 0.05; done; exit 7'] },
        {},
      );
      const waiting = process.wait();
      const { podName } = container;
      const { podNames } = setup;
      const pod = await api.readNamespacedPod({ name: podName, namespace: 'default' });
      pod.metadata!.labels = {};
      await api.replaceNamespacedPod({ name: podName, namespace: 'default', body: pod });
      expect(await podNames()).to.not.include(podName);
      expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
      await sh(container, 'touch go');
      expect((await waiting).exitStatus).to.equal(7);
      await worker.ownerFinished(owner);
    });

    it('still detects the deletion of the pod', async () => {
      const { container, owner } = await makeContainer(worker, image);
      const process = await container.run({ path: 'sh', args: ['-c', 'trap "" TERM; while :; do sleep 1; done'] }, {});
      const waiting = rejection(process.wait());
      const pod = await api.readNamespacedPod({ name: container.podName, namespace: 'default' });
      pod.metadata!.labels = {};
      await api.replaceNamespacedPod({ name: container.podName, namespace: 'default', body: pod });
      await setup.deletePod(container.podName);
      expect(['KW_ERR_POD_DELETED', 'KW_ERR_CONTAINER_DISAPPEARED']).to.include((await waiting).code);
      await worker.ownerFinished(owner);
    });
  });

  context('with an environment', () => {
    it('keeps it out of the Pod object, and passes it to each process', async () => {
      const { container, owner } = await makeContainer(worker, image, {
        env: ['TOKEN=very-secret', 'REF=$(TOKEN) $$', 'A.B=odd'],
      });
      const pod = await api.readNamespacedPod({ name: container.podName, namespace: 'default' });
      expect(JSON.stringify(pod)).to.not.include('very-secret');
      expect((await sh(container, 'echo "$TOKEN $REF"', { env: ['TOKEN=own'] })).stdout).to.equal('own $(TOKEN) $$\n');
      await using fresh = await setup.openWith({});
      const found = await fresh.lookupContainer(container.handle);
      const printed = (await run(found!, { path: 'env' })).stdout.split('\n');
      expect(printed).to.include.members(['TOKEN=very-secret', 'REF=$(TOKEN) $$', 'A.B=odd']);
      await worker.ownerFinished(owner);
    });

    it('accepts the largest entry that the kernel accepts, and passes it to a process', async () => {
      const largest = `LARGE=${'x'.repeat(131_071 - 'LARGE='.length)}`;
      const { container, owner } = await makeContainer(worker, image, { env: [largest] });
      expect((await sh(container, 'echo ${#LARGE}')).stdout).to.equal('131065\n');
      await worker.ownerFinished(owner);
    });

    it('rejects a larger entry, or too many, before it creates anything, and names the field', async () => {
      const rows = async (): Promise<unknown> =>
        (await database.query('select count(*) from kubernetes_worker.containers')).rows;
      const [pods, before] = [await setup.podNames(), await rows()];
      const tooLarge = `LARGE=${'x'.repeat(131_072 - 'LARGE='.length)}`;
      const tooMany = Array.from({ length: 20 }, (_, index) => `V${String(index)}=${'x'.repeat(100_000)}`);
      const cases: Readonly<Record<string, object>> = {
        'env[1]': { env: ['A=1', tooLarge] },
        env: { env: tooMany },
        'sidecars[0].env[0]': { sidecars: [{ name: 's', image, env: [tooLarge] }] },
        'sidecars[0].env': { sidecars: [{ name: 's', image, env: tooMany }] },
        'sidecars[0].args[0]': { sidecars: [{ name: 's', image, args: ['x'.repeat(131_072)] }] },
      };
      for (const [field, parts] of Object.entries(cases)) {
        const error = await rejection(worker.findOrCreateContainer(newOwner(), { image, ...parts }));
        expect(error, field).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
        expect(error.message).to.have.length.below(300);
      }
      expect([await setup.podNames(), await rows()]).to.deep.equal([pods, before]);
    });

    it('rejects a process with arguments and environment that are too long together, and names the longer one', async () => {
      const { container, owner } = await makeContainer(worker, image, { env: [`A=${'x'.repeat(100_000)}`] });
      const texts = Array.from({ length: 10 }, () => 'y'.repeat(100_000));
      expect(await rejection(container.run({ path: 'true', args: texts }, {}))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'args',
      });
      const env = texts.map((text, index) => `V${String(index)}=${text}`);
      expect(await rejection(container.run({ path: 'true', env }, {}))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'env',
      });
      expect(await rejection(container.run({ path: 'true', args: ['x'.repeat(131_072)] }, {}))).to.include({
        field: 'args[0]',
      });
      await worker.ownerFinished(owner);
    });
  });

  context('when the main container ends at each start', () => {
    it('rejects within seconds, with exit code, reason and last output', async () => {
      await worker.ownerFinished((await makeContainer(worker, image)).owner);
      const { items } = await api.listNamespacedConfigMap({ namespace: 'default' });
      const delivered = items.find(({ metadata }) => metadata?.name?.startsWith('kubernetes-worker-agent-'))!;
      const name = delivered.metadata!.name!;
      // An exec during a run of the container waits for its end.
      const script = '#!/bin/sh\n[ "$1" = connect ] && exec sleep 60\nprintf "cannot\\033[1m go on\\n"\nexit 9\n';
      const broken = Buffer.from(script).toString('base64');
      const replace = async (agent: string): Promise<void> => {
        await api.deleteNamespacedConfigMap({ namespace: 'default', name });
        const metadata = { name, labels: delivered.metadata!.labels ?? {} };
        await api.createNamespacedConfigMap({
          namespace: 'default',
          body: { metadata, immutable: true, binaryData: { agent } },
        });
      };
      await replace(broken);
      try {
        const error = await rejection(worker.findOrCreateContainer(newOwner(), { image }));
        expect(error).to.include({ code: 'KW_ERR_POD_FAILED', reason: 'Error', retryable: false });
        expect(error.message).to.match(
          /main ended at each of 3 starts, the last time with exit code 9; its last output: cannot\\u\{1b\}\[1m go on$/,
        );
      } finally {
        await replace(delivered.binaryData!['agent']!);
      }
    });
  });
});
