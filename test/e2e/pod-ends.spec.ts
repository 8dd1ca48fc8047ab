import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { type KubernetesWorker, PodDeletedError } from '../../src/index.ts';
import { Collector, makeContainer } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';

/** How many pods are deleted. */
const rounds = Number(process.env['KW_TEST_DELETIONS'] ?? 20);
/** How many pods are deleted concurrently, as on a busy host. */
const atOnce = 5;

/** Exits with status 0 on TERM, as many servers do. */
const script = 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done';

describe("a command on a real cluster that exits 0 on TERM, when its pod's end ends it", function () {
  this.timeout(rounds * 20_000 + 180_000);
  let real: RealCluster | undefined;
  let database: Awaited<ReturnType<typeof newPGlite>>;
  let worker: KubernetesWorker;
  let api: CoreV1Api;

  before(async function () {
    real = await realCluster(this, 'pod-ends');
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    database = await newPGlite();
    worker = await realWorkers(real, database).openWith({});
  });

  after(async () => {
    await worker?.close();
    await real?.remove();
    await database?.close();
  });

  async function begin(text = script) {
    const { container, owner, spec } = await makeContainer(worker, shellImage);
    const stdout = new Collector();
    const process = await container.run({ id: 'step', path: 'sh', args: ['-c', text] }, { stdout });
    await stdout.shows('ready');
    return { process, podName: container.podName, handle: container.handle, owner, spec };
  }

  /** Checks that no host finds a result, neither this host nor a restarted one. */
  async function hasNoResult(handle: string): Promise<void> {
    const found = (await worker.lookupContainer(handle))!;
    const answer = await found.attach('step', {}).then(
      (attached) => rejection(attached.wait()),
      (error: unknown) => error,
    );
    expect(answer).to.be.instanceOf(Error);
    const { rows } = await database.query(
      'select 1 from kubernetes_worker.processes p join kubernetes_worker.containers c on c.id = p.container_id where c.handle = $1',
      [handle],
    );
    expect(rows).to.deep.equal([]);
  }

  it(`has no result in any of ${rounds} deletions [A30]`, async () => {
    const codes: string[] = [];
    for (let round = 0; round < rounds; round += atOnce) {
      const begun = await Promise.all(Array.from({ length: Math.min(atOnce, rounds - round) }, () => begin()));
      const ended = begun.map(({ process }) =>
        process.wait().then(
          ({ exitStatus }) => `exit status ${exitStatus}`,
          (error: unknown) => (error instanceof PodDeletedError ? `${error.code} ${error.mayStillRun}` : String(error)),
        ),
      );
      await Promise.all(
        begun.map(({ podName }) => api.deleteNamespacedPod({ name: podName, namespace: real!.namespace })),
      );
      codes.push(...(await Promise.all(ended)));
      for (const { handle } of begun) await hasNoResult(handle);
    }
    expect(codes).to.deep.equal(codes.map(() => 'KW_ERR_POD_DELETED false'));
  });

  it('is evicted by the API, and wait() rejects when the command has ended [A25]', async () => {
    const { process, podName, handle } = await begin();
    const waiting = rejection(process.wait());
    const { namespace } = real!;
    await api.createNamespacedPodEviction({
      name: podName,
      namespace,
      body: { metadata: { name: podName, namespace } },
    });
    expect(await waiting).to.include({ code: 'KW_ERR_POD_EVICTED', mayStillRun: false });
    await hasNoResult(handle);
  });

  it('is evicted by its kubelet for exceeding the local storage of a LimitRange, and its pod is not reported as succeeded [A25]', async () => {
    const { namespace } = real!;
    const limits = [{ type: 'Container', _default: { 'ephemeral-storage': '8Mi' } }];
    await api.createNamespacedLimitRange({ namespace, body: { metadata: { name: 'storage' }, spec: { limits } } });
    const { process, podName, handle, owner, spec } = await begin(
      `dd if=/dev/zero of=/tmp/build/test/big bs=1M count=64 2>/dev/null; ${script}`,
    );
    const error = await rejection(process.wait());
    expect(error).to.include({ code: 'KW_ERR_POD_EVICTED', mayStillRun: false });
    const pod = await api.readNamespacedPod({ name: podName, namespace });
    expect(pod.status?.phase).to.equal('Failed');
    await hasNoResult(handle);
    const stderr = new Collector();
    const lost = await rejection(worker.findOrCreateContainer(owner, spec, { stderr }));
    expect(lost).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED', handle });
    expect(lost.cause).to.include({ code: 'KW_ERR_POD_EVICTED', podName });
    expect(stderr.text).to.include('  reason: Evicted\n');
    const found = await worker.lookupContainer(handle);
    expect(await found?.describe()).to.include({ phase: 'Failed', reason: 'Evicted' });
  });
});
