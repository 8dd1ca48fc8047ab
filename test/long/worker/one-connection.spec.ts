import pg from 'pg';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { describeContainers } from '../../contract/worker/containers.ts';
import { describeHijacks } from '../../contract/worker/hijacks.ts';
import { describeShortLivedHosts } from '../../contract/worker/hosts.ts';
import { describeQueries } from '../../contract/worker/queries.ts';
import type { WorkerSetup } from '../../contract/worker/setup.ts';
import { describeVolumes } from '../../contract/worker/volumes.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { workerSetup } from '../../support/worker-setup.ts';

describe('KubernetesWorker with a pool of one connection', () => {
  let cluster: EmbeddedCluster | undefined;
  let server: PostgresServer | undefined;
  let pool: pg.Pool | undefined;
  let setup: WorkerSetup;

  before(async () => {
    [cluster, server] = await Promise.all([
      EmbeddedCluster.start({ isolation: 'mapped', crashLoopBackOffMs: 100 }),
      PostgresServer.start(),
    ]);
    // All workers share the connection. A call that needs a second one would time out.
    pool = new pg.Pool({ connectionString: server.url, max: 1, connectionTimeoutMillis: 10_000 });
    // The server stops before the end of the connection arrives.
    pool.on('connect', (client) => client.on('error', () => {}));
    setup = workerSetup({
      kubeconfigPath: cluster.kubeconfigPath,
      namespace: 'default',
      database: pool,
      image: 'busybox:1',
      missingImage: 'registry.example/does-not-exist:1',
    });
  });

  after(async () => {
    await cluster?.close();
    await pool?.end();
    await server?.stop();
  });

  for (const describeSuite of [
    describeVolumes,
    describeContainers,
    describeQueries,
    describeShortLivedHosts,
    describeHijacks,
  ])
    describeSuite(() => setup);
});
