import type { Worker } from '../../../index.ts';
import { CliError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';

/**
 * Examines whether the API server answers. A host waits for a cluster that is away and creates its
 * container then; a user sees at once that there is none.
 *
 * @throws CliError if it does not answer
 */
export async function expectCluster(worker: Pick<Worker, 'probe'>, signal: AbortSignal): Promise<void> {
  const dependencies = await worker.probe({ signal });
  const down = dependencies.find(({ name, ok }) => name === 'api-server' && !ok);
  if (down === undefined) return;
  const advice = 'examine the cluster and its credentials: kubernetes-worker doctor';
  throw new CliError(`the API server is not available: ${down.message}`, ExitCode.Unavailable, { advice });
}
