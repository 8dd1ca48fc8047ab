import type { CheckFinding } from '../runtime/check.ts';
import { failure, ok, warning } from './finding.ts';

/** An image that was looked up in its registry. */
export interface CheckedImage {
  readonly image: string;
  /** `OK`: it exists for the architecture. `NOT_CHECKED`: its registry does not answer here. */
  readonly outcome: string;
  readonly error: Error | undefined;
}

/** Returns a finding for each image. */
export function imageFindings(images: readonly CheckedImage[]): readonly CheckFinding[] {
  return images.map(({ image, outcome, error }) => {
    if (outcome === 'OK') return ok('images', `Image ${image} exists.`);
    if (outcome === 'NOT_CHECKED' && (error === undefined || !('field' in error)))
      return warning(
        'images',
        `Image ${image} was not examined: ${error?.message ?? 'its registry does not answer this program.'}`,
        'Nothing has to be done if the nodes reach the registry or a mirror of it.',
      );
    return {
      ...failure('images', error ?? new Error(`image ${image} cannot be used`)),
      advice: 'Correct the reference of the image, or add `pods.imagePullSecrets` with access to it.',
    };
  });
}
