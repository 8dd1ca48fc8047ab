import type { PGlite } from '@electric-sql/pglite';

import type { EmbeddedCluster } from '../../../embedded/index.ts';
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
  const [embedded, library, pglite] = await load();
  await using cluster = await embedded.EmbeddedCluster.start();
  await using database = await pglite.PGlite.create();
  await using worker = await library.KubernetesWorker.open({
    name: 'run',
    kubeConfig: cluster.kubeconfigPath,
    database,
    signal,
  });
  return await use(worker);
}

function load(): Promise<
  readonly [
    { readonly EmbeddedCluster: typeof EmbeddedCluster },
    { readonly KubernetesWorker: typeof KubernetesWorker },
    { readonly PGlite: typeof PGlite },
  ]
> {
  return Promise.all([import('../../../embedded/index.ts'), import('../../../index.ts'), importPGlite()]);
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
