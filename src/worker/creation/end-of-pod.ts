import { PodError } from '../../errors/pod.ts';
import { VolumeDisappearedError } from '../../errors/repository.ts';

/**
 * Returns the end of the container's pod if a volume of the container disappeared with it. For an
 * artifact whose bytes are gone, the error of the volume remains.
 */
export function endOfPod(error: unknown, volumeHandle: string): unknown {
  const isOwn = error instanceof VolumeDisappearedError && error.handle === volumeHandle;
  return isOwn && error.cause instanceof PodError ? error.cause : error;
}
