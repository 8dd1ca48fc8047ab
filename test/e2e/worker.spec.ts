import pg from 'pg';

import { describeContainers } from '../contract/worker/containers.ts';
import { describeHijacks } from '../contract/worker/hijacks.ts';
import { describeInput } from '../contract/worker/input.ts';
import { describeProcesses } from '../contract/worker/processes.ts';
import { describeQueries } from '../contract/worker/queries.ts';
import { describeSecrets } from '../contract/worker/secrets.ts';
import type { WorkerSetup } from '../contract/worker/setup.ts';
import { describeSidecars } from '../contract/worker/sidecars.ts';
import { describeTerminals } from '../contract/worker/terminals.ts';
import { describeVolumes } from '../contract/worker/volumes.ts';
import { sharedPostgresUrl } from '../support/database/postgres.ts';
import { missingImage, nonRootImage, type RealCluster, realCluster, shellImage } from '../support/real-cluster.ts';
import { workerSetup } from '../support/worker-setup.ts';

for (const image of [shellImage, nonRootImage]) {
  describe(`KubernetesWorker on a real cluster and PostgreSQL, with ${image}`, function () {
    this.timeout(120_000);
    let real: RealCluster | undefined;
    let pool: pg.Pool | undefined;
    let setup: WorkerSetup;

    before(async function () {
      real = await realCluster(this, 'worker');
      pool = new pg.Pool({ connectionString: await sharedPostgresUrl() });
      const { kubeconfigPath, namespace } = real;
      setup = workerSetup({ kubeconfigPath, namespace, database: pool, image, missingImage });
    });

    after(async () => {
      await real?.remove();
      await pool?.end();
    });

    describeVolumes(() => setup);
    describeProcesses(() => setup);
    describeContainers(() => setup);
    describeQueries(() => setup);
    describeInput(() => setup);
    describeTerminals(() => setup);
    describeHijacks(() => setup);
    describeSecrets(() => setup);
    describeSidecars(() => setup);
  });
}
