import { once } from 'node:events';

import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { ContainerSpec, StepProgress } from '../../../src/index.ts';
import { Collector, makeContainer, newOwner, sh } from '../../contract/worker/setup.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';

const image = 'busybox:1';
const missingImage = 'registry.example/does-not-exist:1';

describe('KubernetesWorker and the ends of its pods', () => {
  const world = withEmbeddedWorker(image);
  let api: CoreV1Api;

  before(async () => {
    const config = new KubeConfig();
    config.loadFromFile(world.cluster.kubeconfigPath);
    api = config.makeApiClient(CoreV1Api);
  });

  /** Begins to create a container. Resolves when its progress has reached an event. */
  async function beginUntil(kind: StepProgress['kind'], parts: Partial<ContainerSpec>, signal?: AbortSignal) {
    const owner = newOwner();
    const reached = new EventTarget();
    const delegate = {
      progress: (event: StepProgress): void => {
        if (event.kind === kind) reached.dispatchEvent(new Event('reached'));
      },
    };
    const isReached = once(reached, 'reached');
    const failed = rejection(world.worker.findOrCreateContainer(owner, { image, ...parts }, { delegate, signal }));
    await isReached;
    const [podName = ''] = await world.setup.podNames();
    return { owner, failed, podName };
  }

  afterEach(async () => {
    await world.worker.reap();
    expect(await world.setup.podNames()).to.deep.equal([]);
  });

  for (const [what, kind, parts] of [
    ['waits for a node', 'unschedulable', { limits: { cpuMilli: 4_000_000 } }],
    ['pulls its image', 'pulling', { image: missingImage }],
  ] as const)
    it(`rejects at once if its pod is deleted while it ${what} [A29]`, async () => {
      const { failed, podName } = await beginUntil(kind, parts);
      await world.setup.deletePod(podName);
      expect(await failed).to.include({ code: 'KW_ERR_POD_DELETED', podName, retryable: false, mayStillRun: false });
    });

  it('reports a volume that cannot be mounted, and continues when it can', async () => {
    const stderr = new Collector();
    const events: StepProgress[] = [];
    const spec = { image, secretMounts: [{ path: '/keys', secretName: 'late' }] };
    const reported = Promise.withResolvers<void>();
    const delegate = {
      progress: (event: StepProgress): void => {
        events.push(event);
        if (event.kind === 'waiting-for-volumes') reported.resolve();
      },
    };
    const owner = newOwner();
    const creating = world.worker.findOrCreateContainer(owner, spec, { delegate, stderr });
    await reported.promise;
    const where = { namespace: 'default' };
    await api.createNamespacedSecret({ ...where, body: { metadata: { name: 'late' }, stringData: { key: 'value' } } });
    await creating;
    const kinds = events.map(({ kind }) => kind);
    expect(kinds.slice(0, 5)).to.deep.equal(['creating-pod', 'scheduled', 'pulling', 'waiting-for-volumes', 'pulled']);
    expect(stderr.text).to.match(/^pod \S+ waits for its volumes: .*secret.* "late".*\n$/);
    await world.worker.ownerFinished(owner);
    await api.deleteNamespacedSecret({ ...where, name: 'late' });
  });

  it('stops waiting for the pull of an image when it is aborted, and leaves no pod after the next pass of the reaper [A50]', async () => {
    const abort = new AbortController();
    const { owner, failed } = await beginUntil('pulling', { image: missingImage }, abort.signal);
    abort.abort(new Error('the build was aborted'));
    expect((await failed).message).to.equal('the build was aborted');
    await world.worker.ownerFinished(owner);
  });

  it('rejects wait() with the eviction of the pod while the command runs, and never returns that pod to its owner again [A24] [A25]', async () => {
    const { worker } = world;
    const { container, owner, spec } = await makeContainer(worker, image);
    const { podName } = container;
    const process = await container.run({ path: 'sh', args: ['-c', 'trap "exit 0" TERM; sleep 600 & wait'] }, {});
    const waiting = rejection(process.wait());
    const where = { name: podName, namespace: 'default' };
    const pod = await api.readNamespacedPod(where);
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'drain' };
    pod.status!.conditions!.push(condition);
    await api.replaceNamespacedPodStatus({ ...where, body: pod });
    await api.deleteNamespacedPod(where);
    expect((await rejection(worker.findOrCreateContainer(owner, spec))).code).to.equal('KW_ERR_CONTAINER_DISAPPEARED');
    expect(await waiting).to.include({ code: 'KW_ERR_POD_EVICTED', retryable: true, podName, detail: 'drain' });
    await worker.ownerFinished(owner);
  });

  it('creates ten containers at once, each with its own pod, output and properties [A21]', async () => {
    const { worker, setup } = world;
    const names = Array.from({ length: 10 }, (_, index) => `step-${String(index)}`);
    const owners = await Promise.all(
      names.map(async (name) => {
        const { container, owner } = await makeContainer(worker, image, { env: [`NAME=${name}`] });
        await container.setProperty('name', name);
        const { stdout, stderr } = await sh(container, 'echo "$NAME"; echo "$NAME" >&2');
        expect([stdout, stderr, await container.properties()]).to.deep.equal([`${name}\n`, `${name}\n`, { name }]);
        return owner;
      }),
    );
    expect(new Set(await setup.podNames()).size).to.equal(names.length);
    await Promise.all(owners.map((owner) => worker.ownerFinished(owner)));
  });

  it('has no more pods than checks that run, if each check ends with a pass of the reaper [A52]', async () => {
    const { worker, setup } = world;
    const atOnce = 3;
    let most = 0;
    const checks = Array.from({ length: atOnce }, async () => {
      for (let round = 0; round < 2; round += 1) {
        const owner = newOwner('check');
        const metadata = { type: 'check', stepName: 'repo' };
        const { container } = await worker.findOrCreateContainer(owner, { image }, { metadata });
        expect((await sh(container, 'echo version')).stdout).to.equal('version\n');
        most = Math.max(most, (await setup.podNames()).length);
        await worker.ownerFinished(owner, { final: true });
        await worker.reap();
      }
    });
    await Promise.all(checks);
    expect(most).to.be.within(1, atOnce);
  });
});
