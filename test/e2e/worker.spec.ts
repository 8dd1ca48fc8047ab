import pg from 'pg';

import { workerSuites } from '../contract/worker/all.ts';
import type { WorkerSetup } from '../contract/worker/setup.ts';
import { sharedPostgresUrl } from '../support/database/postgres.ts';
import { missingImage, nonRootImage, type RealCluster, realCluster, shellImage } from '../support/real-cluster.ts';
import { workerSetup } from '../support/worker-setup.ts';

for (const image of [shellImage, nonRootImage]) {
  describe(`KubernetesWorker on a real cluster and PostgreSQL, with ${image}`, () => {
    let real: RealCluster | undefined;
    let pool: pg.Pool | undefined;
    let setup: WorkerSetup;

    before(async function () {
      real = await realCluster(this, 'worker');
      pool = new pg.Pool({ connectionString: await sharedPostgresUrl() });
      const { kubeconfigPath, account, namespace } = real;
      setup = workerSetup({ kubeconfigPath, account, namespace, database: pool, image, missingImage });
    });

    after(async () => {
      await real?.remove();
      await pool?.end();
    });

    for (const describeSuite of workerSuites) describeSuite(() => setup);
  });
}
