import { CoreV1Api, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { expect } from 'chai';

import { KubernetesWorker, type PodError } from '../../src/index.ts';
import { requiredPermissions } from '../../src/kubernetes/required-permissions.ts';
import { Collector, makeContainer, newOwner } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';
import { rulesOf, serviceAccount } from '../support/service-account.ts';

const merge = setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch);

describe('the diagnostics of a pod on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: Awaited<ReturnType<typeof newPGlite>>;
  let setup: ReturnType<typeof realWorkers>;
  let worker: KubernetesWorker;
  let api: CoreV1Api;

  before(async function () {
    real = await realCluster(this, 'diagnostics');
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    database = await newPGlite();
    setup = realWorkers(real, database, { account: undefined });
    worker = await setup.openWith({});
  });

  after(async () => {
    await worker?.close();
    await real?.remove();
    await database?.close();
  });

  /** Evicts the pod of a command that runs. Returns the error of its `wait()`, and its stderr. */
  async function evicted(
    by: KubernetesWorker,
    before: (nodeName: string) => Promise<void> = async () => undefined,
  ): Promise<{ readonly error: PodError; readonly lines: readonly string[]; readonly nodeName: string }> {
    const { container } = await makeContainer(by, shellImage);
    const [stdout, stderr] = [new Collector(), new Collector()];
    const script = 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done';
    const process = await container.run({ path: 'sh', args: ['-c', script] }, { stdout, stderr });
    await stdout.shows('ready');
    const waiting = rejection(process.wait());
    const where = { name: container.podName, namespace: real!.namespace };
    const { nodeName = '' } = (await api.readNamespacedPod(where)).spec!;
    await before(nodeName);
    await api.createNamespacedPodEviction({ ...where, body: { metadata: where } });
    const error = (await waiting) as PodError;
    expect(error).to.include({ code: 'KW_ERR_POD_EVICTED', nodeName });
    // The shell may print that its child was terminated.
    expect(stderr.text.endsWith(`\n${error.diagnostics}\n`), stderr.text).to.equal(true);
    return { error, lines: stderr.text.split('\n'), nodeName };
  }

  it('have the reason of an eviction, and a node without a problem [A25]', async () => {
    const { lines, nodeName } = await evicted(worker);
    expect(lines).to.include(`  node: ${nodeName}`).and.include(`node ${nodeName}: ready, without pressure`);
    expect(lines.filter((line) => line.includes('condition DisruptionTarget'))).to.deep.equal([
      '  condition DisruptionTarget: True, EvictionByEvictionAPI: Eviction API: evicting',
    ]);
  });

  it('have the cordon of the node [A25]', async () => {
    const cordon = async (name: string, unschedulable: boolean): Promise<void> => {
      await api.patchNode({ name, body: { spec: { unschedulable } } }, merge);
    };
    let cordoned: string | undefined;
    try {
      const { lines } = await evicted(worker, async (name) => {
        cordoned = name;
        await cordon(name, true);
      });
      expect(lines).to.include('  cordoned: it accepts no new pods, and may be drained');
    } finally {
      if (cordoned !== undefined) await cordon(cordoned, false);
    }
  });

  it('state that the node may not be read without the optional permission', async () => {
    const { namespace, kubeConfig: admin } = real!;
    const account = { name: 'worker', namespace, rules: rulesOf(requiredPermissions) };
    await using limited = await KubernetesWorker.open({
      name: 'limited',
      namespace,
      kubeConfig: await serviceAccount(admin, account),
      database,
      volumeImage: shellImage,
    });
    const { lines, nodeName } = await evicted(limited);
    expect(lines).to.include(`node ${nodeName} may not be read: a permission is missing (docs/rbac.md)`);
  });

  it('name the sidecar whose program does not exist', async () => {
    const stderr = new Collector();
    const sidecars = [{ name: 'tools', image: shellImage, command: ['/no/such/program'] }];
    // The agent may respond before the kubelet reports the sidecar.
    const step = async (): Promise<unknown> => {
      const { container } = await worker.findOrCreateContainer(newOwner(), { image: shellImage, sidecars }, { stderr });
      const process = await container.run({ path: 'sleep', args: ['60'] }, { stderr });
      return await process.wait();
    };
    const error = (await rejection(step())) as PodError;
    expect(error).to.include({ code: 'KW_ERR_POD_FAILED', containerName: 'tools', retryable: false });
    expect(error.nodeName).to.be.a('string');
    expect(stderr.text).to.equal(`\n${error.diagnostics}\n`);
    expect(stderr.text).to.match(/^ {2}container tools: .*\/no\/such\/program.*no such file or directory/m);
  });

  it('follow one line that states why no node accepts the pod [A26]', async () => {
    await using impatient = await setup.openWith({ schedulingTimeoutMs: 2_000 });
    const stderr = new Collector();
    const limits = { memoryBytes: 2 ** 50 };
    const creating = impatient.findOrCreateContainer(newOwner(), { image: shellImage, limits }, { stderr });
    const error = (await rejection(creating)) as PodError;
    expect(error).to.include({ code: 'KW_ERR_POD_UNSCHEDULABLE', nodeName: undefined, containerName: undefined });
    const [notice, ...block] = stderr.text.split('\n');
    expect(notice).to.match(/^pod \S+ waits for a node that accepts it: 0\/\d+ nodes are available/);
    expect(block).to.include('  node: not assigned');
    expect(block.join('\n')).to.match(/^ {2}condition PodScheduled: False, Unschedulable: 0\/\d+ nodes/m);
    expect(stderr.text.match(/waits for a node/g)).to.have.length(1);
  });
});
