import pg from 'pg';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { describeContainers } from '../../contract/worker/containers.ts';
import { describeHijacks } from '../../contract/worker/hijacks.ts';
import { describeShortLivedHosts } from '../../contract/worker/hosts.ts';
import { describeQueries } from '../../contract/worker/queries.ts';
import type { WorkerSetup } from '../../contract/worker/setup.ts';
import { describeVolumes } from '../../contract/worker/volumes.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { patienceMs } from '../../support/patience.ts';
import { workerSetup } from '../../support/worker-setup.ts';

describe('KubernetesWorker with a pool of one connection', () => {
  let cluster: EmbeddedCluster | undefined;
  let server: PostgresServer | undefined;
  let pool: pg.Pool | undefined;
  /** The ends of the connections. `pool.end` does not wait for them. */
  const ends: Promise<void>[] = [];
  let setup: WorkerSetup;

  before(async () => {
    [cluster, server] = await Promise.all([
      EmbeddedCluster.start({ isolation: 'mapped', crashLoopBackOffMs: 100 }),
      PostgresServer.start(),
    ]);
    // All workers share the connection. A call that needs a second one would time out.
    pool = new pg.Pool({ connectionString: server.url, max: 1, connectionTimeoutMillis: patienceMs });
    pool.on('connect', (client) => ends.push(new Promise((resolve) => client.once('end', () => resolve()))));
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
    // A server that stops would end them with an error.
    await Promise.all(ends);
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
