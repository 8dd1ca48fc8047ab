import type { Container, Worker } from '../../index.ts';
import { CliError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';

/**
 * Returns the container of a handle.
 *
 * @throws CliError if there is none
 */
export async function findContainer(
  worker: Pick<Worker, 'lookupContainer'>,
  handle: string,
  signal: AbortSignal,
): Promise<Container> {
  const container = await worker.lookupContainer(handle, { signal });
  if (container !== undefined) return container;
  throw new CliError(`there is no container ${handle}, or its owner has finished`, ExitCode.Failure, {
    advice: 'list the containers: kubernetes-worker ps',
  });
}
