import type { PGlite } from '@electric-sql/pglite';

import type { KubernetesWorker } from '../../../index.ts';
import { CliError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';

/**
 * Opens a worker on an embedded cluster and a database in memory, both in this process. Everything ends
 * with `use`.
 */
export async function withEmbeddedWorker<T>(
  signal: AbortSignal,
  use: (worker: KubernetesWorker) => Promise<T>,
): Promise<T> {
  const [{ EmbeddedCluster }, { KubernetesWorker: Opened }, { PGlite: Database }] = await Promise.all([
    import('../../../embedded/index.ts'),
    import('../../../index.ts'),
    importPGlite(),
  ]);
  await using cluster = await EmbeddedCluster.start();
  await using database = await Database.create();
  await using worker = await Opened.open({
    name: 'run',
    kubeConfig: cluster.kubeconfigPath,
    database,
    signal,
  });
  return await use(worker);
}

async function importPGlite(): Promise<{ readonly PGlite: typeof PGlite }> {
  try {
    return await import('@electric-sql/pglite');
  } catch (error) {
    const advice = 'install it: npm install @electric-sql/pglite';
    throw new CliError('--embedded needs the package @electric-sql/pglite', ExitCode.Configuration, {
      cause: error,
      advice,
    });
  }
}
