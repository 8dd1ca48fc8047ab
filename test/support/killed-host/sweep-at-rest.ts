import pg from 'pg';

import { KubernetesWorker } from '../../../src/index.ts';
import { type HostWorld, storesOf } from './order.ts';

/**
 * Deletes what the streams of killed hosts have kept, as if these streams had lapsed, and archives
 * that nothing refers to, as if their grace had passed.
 */
export async function sweepAtRest(world: HostWorld): Promise<void> {
  const { workerName, kubeconfigPath, namespace, databaseUrl, image } = world;
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(
      `update kubernetes_worker.volume_streams set until = now() - interval '1 second'
       where volume_id in (select id from kubernetes_worker.volumes where worker_name = $1)`,
      [workerName],
    );
    await client.query(
      `update kubernetes_worker.archives
       set last_used_at = now() - interval '1 day',
         lease_until = case when state = 'creating' then now() - interval '1 second' end
       where worker_name = $1`,
      [workerName],
    );
  } finally {
    await client.end();
  }
  await using worker = await KubernetesWorker.open({
    name: workerName,
    kubeConfig: kubeconfigPath,
    namespace,
    database: databaseUrl,
    volumeImage: image,
    stores: storesOf(world),
  });
  await worker.reap();
}
