import { spawnSync } from 'node:child_process';

import { UsageError } from './arguments.ts';

/**
 * Returns the kubeconfig of the cluster to measure on, for benchmarks that compare with `kubectl`.
 *
 * @throws UsageError - `KUBECONFIG` is not set, or `kubectl` is not on `PATH`
 */
export function requireRealCluster(env: NodeJS.ProcessEnv = process.env): string {
  const kubeconfig = env['KUBECONFIG'];
  if (kubeconfig === undefined || kubeconfig === '')
    throw new UsageError('KUBECONFIG is not set: this benchmark measures on a real cluster');
  const { error } = spawnSync('kubectl', ['version', '--client'], { env, stdio: 'ignore' });
  if (error !== undefined) throw new UsageError('kubectl is not on PATH: this benchmark compares with it');
  return kubeconfig;
}
