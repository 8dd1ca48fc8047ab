import type { PGlite } from '@electric-sql/pglite';

import { EmbeddedCluster } from '../../src/embedded/index.ts';
import type { KubernetesWorker, KubernetesWorkerOptions } from '../../src/index.ts';
import { newPGlite } from './database/pglite.ts';
import { workerSetup } from './worker-setup.ts';

/** A worker on its own embedded cluster and database, for specs that change both freely. */
export interface EmbeddedWorker {
  readonly cluster: EmbeddedCluster;
  readonly database: PGlite;
  readonly setup: ReturnType<typeof workerSetup>;
  readonly worker: KubernetesWorker;
  /** Ends the time to live of all artifact volumes, and deletes what is not needed any more. */
  reapArtifacts(by?: KubernetesWorker): Promise<void>;
  close(): Promise<void>;
}

export async function embeddedWorker(
  image: string,
  options?: Partial<KubernetesWorkerOptions>,
): Promise<EmbeddedWorker> {
  const [cluster, database] = await Promise.all([EmbeddedCluster.start({ crashLoopBackOffMs: 100 }), newPGlite()]);
  const setup = workerSetup({
    kubeconfigPath: cluster.kubeconfigPath,
    namespace: 'default',
    database,
    image,
    missingImage: 'registry.example/does-not-exist:1',
    options,
  });
  const worker = await setup.openWith({});
  const close = async (): Promise<void> => {
    await worker.close();
    await cluster.close();
    await database.close();
  };
  const reapArtifacts = async (by = worker): Promise<void> => {
    await database.query(
      "update kubernetes_worker.volumes set expires_at = now() - interval '1 second' where container_id is null",
    );
    await by.reap();
  };
  return { cluster, database, setup, worker, reapArtifacts, close };
}

/**
 * Registers hooks that start and close the worker of a suite. A hook that closes what uses it has to
 * be registered before.
 */
export function withEmbeddedWorker(image: string, options?: Partial<KubernetesWorkerOptions>): EmbeddedWorker {
  const world = {} as EmbeddedWorker;
  before(async () => void Object.assign(world, await embeddedWorker(image, options)));
  after(async () => await (world as Partial<EmbeddedWorker>).close?.());
  return world;
}
