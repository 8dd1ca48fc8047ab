// A host program: runs builds, and keeps logs and state in files. It may be killed at any moment,
// and continues when it is restarted. `node host.ts ORDER`, with a `HostOrder` as JSON. Exits with 0
// when the builds have ended and everything is released.
import { KubernetesWorker } from '../../../src/index.ts';
import { HostBuild } from './host-build.ts';
import { type HostOrder, storesOf } from './order.ts';
import { retried } from './retried.ts';

const order = JSON.parse(process.argv[2] ?? '') as HostOrder;
await using worker = await retried(
  order.isRetried,
  async () =>
    await KubernetesWorker.open({
      name: order.workerName,
      kubeConfig: order.kubeconfigPath,
      namespace: order.namespace,
      database: order.databaseUrl,
      volumeImage: order.image,
      leaseMs: order.leaseMs,
      reapEveryMs: order.reapEveryMs,
      stores: storesOf(order),
    }),
);
console.log('opened');
const waiting = [...order.builds];
const runBuilds = async (): Promise<void> => {
  for (let build = waiting.shift(); build !== undefined; build = waiting.shift())
    await new HostBuild({ worker, order, build }).run();
};
await Promise.all(Array.from({ length: order.concurrency }, runBuilds));
await retried(order.isRetried, async () => await worker.reap());
