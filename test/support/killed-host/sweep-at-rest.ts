import pg from 'pg';

import { KubernetesWorker } from '../../../src/index.ts';
import type { HostWorld } from './order.ts';

/** Deletes what the streams of killed hosts have kept, as if these streams had lapsed. */
export async function sweepAtRest({
  workerName,
  kubeconfigPath,
  namespace,
  databaseUrl,
  image,
}: HostWorld): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(
      `update kubernetes_worker.volume_streams set until = now() - interval '1 second'
       where volume_id in (select id from kubernetes_worker.volumes where worker_name = $1)`,
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
  });
  await worker.reap();
}
