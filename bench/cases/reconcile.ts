// Measures passes of the reaper: over rows whose pods no longer exist, over artifact volumes with pods
// on the embedded cluster, and, with KUBECONFIG and kubectl, over containers with pods on a real
// cluster. The embedded cluster runs in a process of its own; so does the database, if a URL is set.
// Each pass must delete everything that was created for it.
//   npm run bench -- reconcile --set database=postgres://…
import { randomBytes } from 'node:crypto';

import { KubernetesWorker } from '../../src/index.ts';
import { UsageError } from '../harness/arguments.ts';
import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { requireRealCluster } from '../harness/real-cluster.ts';
import { startEmbedded } from '../memory/embedded-child.ts';
import { nodeRoom } from '../pods/node-room.ts';
import { kubectl } from '../process/kubectl.ts';
import { type CountedDatabase, countedDatabase } from '../reconcile/counted-database.ts';
import { startKwokNode } from '../reconcile/kwok-node.ts';
import { createPods } from '../reconcile/labelled-pods.ts';
import { passCases } from '../reconcile/pass-report.ts';

const name = 'reconcile';
/** Pods that ignore TERM end with it. */
const graceSeconds = 5;

export const benchmark: Benchmark = {
  settings: {
    counts: { value: '1000,10000,100000', meaning: 'the numbers of volumes whose pods no longer exist' },
    pods: { value: '40', meaning: 'the number of volumes with pods on the embedded cluster; 0: none' },
    real: { value: '0', meaning: 'the number of pods on the cluster of KUBECONFIG; 0: none' },
    running: { value: 'room', meaning: 'how many of them run, at most as many as the nodes have room for' },
    nodes: { value: 'real', meaning: 'the nodes of these pods: real, or kwok: a simulated node, which needs Go' },
    image: { value: 'registry.local/busybox:1', meaning: 'of the pods on the real cluster: with sh' },
    database: { value: 'pglite', meaning: 'the URL of an empty PostgreSQL database, or pglite: in this process' },
  },
  open: async ({ setting }) => {
    const counts = setting('counts').split(',').map(Number);
    if (!counts.every((count) => Number.isSafeInteger(count) && count > 0))
      throw new UsageError('counts: numbers above 0, with commas between them');
    await using opened = new AsyncStack();
    const embedded = opened.use(await startEmbedded(), (child) => child[Symbol.asyncDispose]());
    const counted = await countedDatabase(setting('database'), opened);
    const worker = await openWorker({ name, kubeConfig: embedded.kubeconfig }, counted, opened);
    const cases = [
      ...counts.flatMap((count) => rowCases(count, worker, counted)),
      ...podCases(numberOf(setting('pods'), 'pods'), worker, counted),
      ...(await realCases(setting, counted, opened)),
    ];
    const kept = opened.keep();
    return { cases, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
  },
};

function numberOf(text: string, setting: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new UsageError(`${setting}: a whole number`);
  return number;
}

async function openWorker(
  where: { readonly name: string; readonly kubeConfig: string; readonly namespace?: string },
  { database }: CountedDatabase,
  opened: AsyncStack,
): Promise<KubernetesWorker> {
  return opened.use(await KubernetesWorker.open({ ...where, database }), async (each) => await each.close());
}

function rowCases(count: number, worker: KubernetesWorker, counted: CountedDatabase): readonly BenchCase[] {
  const goal = count === 10_000 ? { goalMs: 5_000 } : {};
  return passCases({ name: `${String(count)} volumes without pods`, ...goal }, worker, counted, async () => {
    await counted.query(`
      insert into kubernetes_worker.volumes
        (handle, worker_name, kind, state, team_id, store, location, expires_at)
      select
        gen_random_uuid()::text, '${name}', 'artifact', 'created', 'team', 'pod',
        jsonb_build_object('pod', 'art-' || number, 'owner', 'owner-' || number, 'volume', 'volume-' || number),
        now() - interval '1 minute'
      from generate_series(1, ${String(count)}) as number`);
    return { deletedVolumes: count, deletedPods: 0 };
  });
}

function podCases(count: number, worker: KubernetesWorker, counted: CountedDatabase): readonly BenchCase[] {
  if (count === 0) return [];
  return passCases({ name: `${String(count)} volumes with embedded pods` }, worker, counted, async () => {
    for (let created = 0; created < count; created += 10) {
      const some = Array.from({ length: Math.min(10, count - created) }, async () => {
        const { volume } = await worker.createVolumeForArtifact('team');
        await worker.expireArtifact(volume.handle);
      });
      await Promise.all(some);
    }
    return { deletedVolumes: count, deletedPods: count };
  });
}

async function realCases(
  setting: (name: string) => string,
  counted: CountedDatabase,
  opened: AsyncStack,
): Promise<readonly BenchCase[]> {
  const count = numberOf(setting('real'), 'real');
  if (count === 0) return [];
  const nodes = setting('nodes');
  if (nodes !== 'real' && nodes !== 'kwok') throw new UsageError('nodes: real or kwok');
  const kubeConfig = requireRealCluster();
  const wanted = setting('running') === 'room' ? count : numberOf(setting('running'), 'running');
  const namespace = `${name}-${randomBytes(4).toString('hex')}`;
  await kubectl(['--kubeconfig', kubeConfig, 'create', 'namespace', namespace], () => undefined);
  opened.use(namespace, (each) =>
    kubectl(['--kubeconfig', kubeConfig, 'delete', 'namespace', each, '--wait=false'], () => undefined),
  );
  const node =
    nodes === 'kwok' ? opened.use(await startKwokNode(kubeConfig), (each) => each[Symbol.asyncDispose]()) : undefined;
  const running = Math.min(count, wanted, node === undefined ? await freeRoom(kubeConfig) : count);
  const worker = await openWorker({ name: 'reconcile-real', kubeConfig, namespace }, counted, opened);
  const shared = {
    workerName: 'reconcile-real',
    kubeConfig,
    namespace,
    image: setting('image'),
    graceSeconds,
    nodeName: node?.name,
  };
  const what = `${String(count)} pods on ${nodes} nodes, of which ${String(running)} run and ${String(count - running)} never start`;
  return passCases({ name: what, goalMs: (graceSeconds + 5) * 1_000, pairs: 1 }, worker, counted, async () => {
    await createPods({ ...shared, running, idle: count - running }, counted);
    return { deletedContainers: count, deletedPods: count };
  });
}

async function freeRoom(kubeConfig: string): Promise<number> {
  const { accepted, present } = await nodeRoom(kubeConfig);
  return Math.max(0, accepted - present);
}
