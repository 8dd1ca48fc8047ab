import { InvalidSpecError } from '../../errors/caller.ts';
import type { VolumeRecord } from '../../repository/records.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { PlannedMount } from '../plan/container-plan.ts';
import { knownSizeOf, storedHandleOf } from '../volumes/stored-volume.ts';
import { fillCache } from './container-caches.ts';
import type { ContainerCreationComponents, ContainerRequest, Creation } from './container-creation.ts';
import { endOfPod } from './end-of-pod.ts';
import { InputProgress } from './input-progress.ts';

/**
 * Streams in all inputs and caches concurrently. The first failure aborts the others. What an earlier
 * holder completed is kept.
 */
export async function fillInputs(
  creation: Creation,
  { plan }: ContainerRequest,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const { volumes, lease, generation, progress } = creation;
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const inputs = plan.mounts.filter(({ artifact }) => artifact !== undefined);
  // One open stream covers all inputs.
  const sources = components.streams.open(unfilled(inputs, volumes));
  const fill = async (mount: PlannedMount): Promise<void> => {
    const record = volumes.find((volume) => volume.mountPath === mount.mountPath);
    if (record === undefined)
      throw new InvalidSpecError(
        'spec',
        `the creation of this owner's container began without a volume at ${mount.mountPath}`,
      );
    if (record.readyAt !== undefined) return;
    if (mount.kind === 'cache' && plan.taskCache !== undefined)
      await fillCache({ ...plan.taskCache, path: mount.mountPath }, record, creation, components, { signal: either });
    if (mount.artifact === undefined) return;
    const { artifact, mountPath: path } = mount;
    const input = new InputProgress({
      input: { path, handle: artifact.handle, inputNumber: inputs.indexOf(mount) + 1, inputCount: inputs.length },
      estimatedBytes: knownSizeOf(artifact),
      clock: components.clock,
      report: (facts) => progress.streamingInput(facts),
    });
    input.begin();
    const take = async (): Promise<{ readonly rawBytes: number }> => {
      const taking = components.volume(record).takeFrom(artifact, {
        signal: either,
        lease: { holder: lease.holder, generation },
        progress: (bytes) => input.received(bytes),
      });
      return await taking.catch((error: unknown) => {
        throw endOfPod(error, record.handle);
      });
    };
    const facts = { mountPath: path, volumeHandle: artifact.handle };
    const { rawBytes } = await components.tracing.span('inputs.stream-in', facts, take, { signal: either });
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
  await sources.close();
  await Promise.all(filling);
  if (inputs.length > 0) progress.inputsDone();
}

/** Returns the volumes from which inputs are still to be copied. */
function unfilled(inputs: readonly PlannedMount[], volumes: readonly VolumeRecord[]): string[] {
  const ready = new Set(volumes.filter(({ readyAt }) => readyAt !== undefined).map(({ mountPath }) => mountPath));
  return inputs.flatMap(({ artifact, mountPath }) => {
    const handle = artifact === undefined || ready.has(mountPath) ? undefined : storedHandleOf(artifact);
    return handle === undefined ? [] : [handle];
  });
}
