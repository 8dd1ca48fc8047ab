/**
 * Keeps the folder of a step from one build to the next: the first build downloads, the second one
 * finds what the first has left. Run it in this repository with `npm run example --
 * examples/task-cache.ts`.
 */
import { PGlite } from '@electric-sql/pglite';
import { dataDir } from '@electric-sql/pglite-prepopulatedfs';
import { KubernetesWorker } from 'kubernetes-worker';
import { EmbeddedCluster } from 'kubernetes-worker/embedded';

await using cluster = await EmbeddedCluster.start();
// The prepared files save some seconds. `PGlite.create()` alone works too, as does a PostgreSQL
// URL.
await using database = await PGlite.create({ loadDataDir: await dataDir() });
await using worker = await KubernetesWorker.open({ name: 'example', kubeConfig: cluster.kubeconfigPath, database });

// #region build
const step = { job: 'main/release', step: 'compile' };

async function build(number: number): Promise<void> {
  const owner = { kind: 'build-step', key: `${number}/compile` };
  const { container, mounts } = await worker.findOrCreateContainer(
    owner,
    { image: 'busybox:1', dir: '/tmp/build/cached', caches: ['modules'], taskCache: step },
    {
      delegate: {
        progress: (event) => {
          if (event.kind === 'streaming-cache' && event.isComplete) console.log(`build ${number}: cache is in place`);
        },
      },
    },
  );
  const script = 'if [ -e modules/one ]; then echo found; else echo downloaded; touch modules/one; fi';
  const process_ = await container.run({ id: 'task', path: 'sh', args: ['-c', script] }, { stdout: process.stdout });
  await process_.wait();
  // Whatever the result of the step: the last build that finishes leaves the cache.
  for (const { kind, mountPath: path, volume } of mounts)
    if (kind === 'cache') await volume.initializeTaskCache({ ...step, path });
  await worker.ownerFinished(owner, { final: true });
  await worker.reap();
}

await build(1);
await build(2);
// #endregion
