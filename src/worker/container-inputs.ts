import { InvalidSpecError } from '../errors/caller.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ContainerCreationComponents, ContainerRequest, Creation } from './container-creation.ts';
import type { PlannedMount } from './container-plan.ts';
import { InputProgress } from './input-progress.ts';
import { knownSizeOf } from './stored-volume.ts';

/**
 * Streams in all inputs concurrently. The first failure aborts the others. An input that an earlier
 * holder completed is kept.
 */
export async function fillInputs(
  { volumes, lease, generation, progress }: Creation,
  { plan }: ContainerRequest,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const inputs = plan.mounts.filter(({ artifact }) => artifact !== undefined);
  const fill = async (mount: PlannedMount): Promise<void> => {
    const record = volumes.find((volume) => volume.mountPath === mount.mountPath);
    if (record === undefined)
      throw new InvalidSpecError(
        'spec',
        `the creation of this owner's container began without a volume at ${mount.mountPath}`,
      );
    if (mount.artifact === undefined || record.readyAt !== undefined) return;
    const { artifact, mountPath: path } = mount;
    const input = new InputProgress({
      input: { path, handle: artifact.handle, inputNumber: inputs.indexOf(mount) + 1, inputCount: inputs.length },
      estimatedBytes: knownSizeOf(artifact),
      clock: components.clock,
      report: (facts) => progress.streamingInput(facts),
    });
    input.begin();
    const { rawBytes } = await components.volume(record).takeFrom(artifact, {
      signal: either,
      lease: { holder: lease.holder, generation },
      progress: (bytes) => input.received(bytes),
    });
    input.complete(rawBytes);
  };
  const filling = plan.mounts.map(async (mount) => {
    try {
      await fill(mount);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  await Promise.allSettled(filling);
  await Promise.all(filling);
  if (inputs.length > 0) progress.inputsDone();
}
