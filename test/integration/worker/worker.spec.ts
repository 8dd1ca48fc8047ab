import type { PGlite } from '@electric-sql/pglite';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { describeContainers } from '../../contract/worker/containers.ts';
import { describeHijacks } from '../../contract/worker/hijacks.ts';
import { describeInput } from '../../contract/worker/input.ts';
import { describeProcesses } from '../../contract/worker/processes.ts';
import { describeQueries } from '../../contract/worker/queries.ts';
import { describeSecrets } from '../../contract/worker/secrets.ts';
import type { WorkerSetup } from '../../contract/worker/setup.ts';
import { describeSidecars } from '../../contract/worker/sidecars.ts';
import { describeTerminals } from '../../contract/worker/terminals.ts';
import { describeVolumes } from '../../contract/worker/volumes.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { workerSetup } from '../../support/worker-setup.ts';

for (const isolation of ['namespaces', 'mapped'] as const) {
  describe(`KubernetesWorker on the embedded cluster (${isolation}) and PGlite`, function () {
    this.timeout(30_000);
    let cluster: EmbeddedCluster;
    let database: PGlite;
    let setup: WorkerSetup;

    before(async () => {
      [cluster, database] = await Promise.all([
        EmbeddedCluster.start({ isolation, crashLoopBackOffMs: 100 }),
        newPGlite(),
      ]);
      const under = {
        kubeconfigPath: cluster.kubeconfigPath,
        namespace: 'default',
        database,
        image: 'busybox:1',
        missingImage: 'registry.example/does-not-exist:1',
      };
      setup = workerSetup(under);
    });

    after(async () => {
      await cluster?.close();
      await database?.close();
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
