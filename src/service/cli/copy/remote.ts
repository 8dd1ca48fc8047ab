import type { Volume, Worker } from '../../../index.ts';
import { CliError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';
import { findContainer } from '../find-container.ts';
import { mountOf, type RemotePlace } from './place.ts';

/** A path in a volume. */
export interface Remote {
  readonly volume: Volume;
  /** Relative to the volume. `''` is its root. */
  readonly path: string;
}

/** Finds the volume of a place. @throws CliError if it does not exist */
export async function findRemote(
  worker: Pick<Worker, 'lookupContainer' | 'lookupVolume'>,
  { kind, handle, path }: RemotePlace,
  signal: AbortSignal,
): Promise<Remote> {
  if (kind === 'volume') {
    const volume = await worker.lookupVolume(handle, { signal });
    if (volume === undefined) throw new CliError(`there is no volume ${handle}`, ExitCode.Failure);
    return { volume, path: path.replace(/^\/+/, '') };
  }
  const mounts = await (await findContainer(worker, handle, signal)).mounts({ signal });
  const found = mountOf(mounts, path);
  if (found === undefined)
    throw new CliError(`${path} of container ${handle} is in no volume`, ExitCode.Failure, {
      advice:
        mounts.length === 0
          ? 'the container has no volumes'
          : `its volumes: ${mounts.map(({ mountPath }) => mountPath).join(', ')}`,
    });
  return { volume: found.mount.volume, path: found.path };
}
