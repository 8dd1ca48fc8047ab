import { PodError } from '../errors/pod.ts';
import { VolumeDisappearedError } from '../errors/repository.ts';

/**
 * Returns the end of the container's pod if a volume of the container disappeared with it. The
 * error of a volume remains for an artifact of which the bytes are gone.
 */
export function endOfPod(error: unknown, volumeHandle: string): unknown {
  const isOwn = error instanceof VolumeDisappearedError && error.handle === volumeHandle;
  return isOwn && error.cause instanceof PodError ? error.cause : error;
}
