import { type ImageSettings, imageSettings } from './images/image-settings.ts';
import { checkShape } from './validation/shape.ts';
import { workerOptions } from './validation/worker-shapes.ts';
import { checkOptions, defaultVolumeImage, type KubernetesWorkerOptions } from './worker-options.ts';

/**
 * Checks options as `KubernetesWorker.open` does first, without opening anything. It does not check
 * that the cluster, the database and the stores exist and answer.
 *
 * @example
 * ```ts
 * import { checkWorkerOptions } from 'kubernetes-worker';
 *
 * checkWorkerOptions({ name: 'ci', database: 'postgres://ci@db/ci', leaseMs: 30_000 });
 * ```
 *
 * @throws InvalidSpecError if an option is invalid; the error names the field
 * @public
 */
export function checkWorkerOptions(options: KubernetesWorkerOptions): void {
  checkedImages(options);
}

/**
 * Checks options, and returns the settings of images that were read for that.
 *
 * @throws InvalidSpecError
 */
export function checkedImages(options: KubernetesWorkerOptions): ImageSettings {
  checkShape('options', workerOptions, options);
  checkOptions(options);
  return imageSettings(options.images ?? {}, options.volumeImage ?? defaultVolumeImage);
}
