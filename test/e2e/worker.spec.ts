import pg from 'pg';

import { workerSuites } from '../contract/worker/all.ts';
import type { WorkerSetup } from '../contract/worker/setup.ts';
import { sharedPostgresUrl } from '../support/database/postgres.ts';
import { nonRootImage, type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';

for (const image of [shellImage, nonRootImage]) {
  describe(`KubernetesWorker on a real cluster and PostgreSQL, with ${image}`, () => {
    let real: RealCluster | undefined;
    let pool: pg.Pool | undefined;
    let setup: WorkerSetup;

    before(async function () {
      real = await realCluster(this, 'worker');
      pool = new pg.Pool({ connectionString: await sharedPostgresUrl() });
      setup = realWorkers(real, pool, { image });
    });

    after(async () => {
      await real?.remove();
      await pool?.end();
    });

    for (const describeSuite of workerSuites) describeSuite(() => setup);
  });
}
