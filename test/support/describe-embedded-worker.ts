import type { PGlite } from '@electric-sql/pglite';

import { EmbeddedCluster } from '../../src/embedded/index.ts';
import type { WorkerSetup } from '../contract/worker/setup.ts';
import { newPGlite } from './database/pglite.ts';
import { workerSetup } from './worker-setup.ts';

/** Describes the worker on an embedded cluster and PGlite. `suites` receives the worker of a test. */
export function describeEmbeddedWorker(
  isolation: 'namespaces' | 'mapped',
  suites: readonly ((setup: () => WorkerSetup) => void)[],
): void {
  describe(`KubernetesWorker on the embedded cluster (${isolation}) and PGlite`, () => {
    let cluster: EmbeddedCluster;
    let database: PGlite;
    let setup: WorkerSetup;

    before(async () => {
      [cluster, database] = await Promise.all([
        EmbeddedCluster.start({ isolation, crashLoopBackOffMs: 100 }),
        newPGlite(),
      ]);
      setup = workerSetup({
        kubeconfigPath: cluster.kubeconfigPath,
        namespace: 'default',
        database,
        image: 'busybox:1',
        missingImage: 'registry.example/does-not-exist:1',
      });
    });

    after(async () => {
      await cluster?.close();
      await database?.close();
    });

    for (const describeSuite of suites) describeSuite(() => setup);
  });
}
