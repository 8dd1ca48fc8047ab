/**
 * Runs one command in a pod and prints its status. Run it in this repository with `npm run example
 * -- examples/run-a-command.ts [COMMAND…]`. It uses the embedded cluster and PGlite; a host passes
 * its own kubeconfig and database.
 */
import { PGlite } from '@electric-sql/pglite';
import { dataDir } from '@electric-sql/pglite-prepopulatedfs';
import { isKubernetesWorkerError, KubernetesWorker } from 'kubernetes-worker';
import { EmbeddedCluster } from 'kubernetes-worker/embedded';

const [path = 'sh', ...args] =
  process.argv.length > 2
    ? process.argv.slice(2)
    : ['sh', '-c', 'echo "hello from $(pwd)"; echo to stderr >&2; exit 3'];

await using cluster = await EmbeddedCluster.start();
// The prepared files save some seconds. `PGlite.create()` alone works too, as does a PostgreSQL
// URL.
await using database = await PGlite.create({ loadDataDir: await dataDir() });

// #region run
await using worker = await KubernetesWorker.open({ name: 'example', kubeConfig: cluster.kubeconfigPath, database });
const owner = { kind: 'example', key: 'run-a-command' };

try {
  const { container } = await worker.findOrCreateContainer(owner, { image: 'busybox:1', dir: '/tmp/build/example' });
  const command = await container.run({ path, args }, { stdout: process.stdout, stderr: process.stderr });
  const { exitStatus } = await command.wait();
  console.log(`${path} ended with status ${exitStatus}`);
} catch (error) {
  // A command that fails is a result. A command that cannot run is an error with a code.
  if (!isKubernetesWorkerError(error)) throw error;
  console.log(`${error.code}: ${error.message}`);
} finally {
  await worker.ownerFinished(owner);
  await worker.reap();
}
// #endregion
