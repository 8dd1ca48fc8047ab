import { isKubernetesWorkerError } from '../errors/error-code.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { PreflightOutcome } from '../runtime/preflight-report.ts';
import { ImagePreflight, type ImagePreflightComponents } from './image-preflight.ts';
import { formatImageReference, type ImageReference } from './image-reference.ts';

/** What the registry of an image reports about it. */
export interface ExaminedImage {
  readonly image: string;
  readonly outcome: PreflightOutcome;
  /** Why steps cannot use the image, or why it could not be examined. */
  readonly error: Error | undefined;
}

/** Components of `examineImages`. */
export interface ImageExaminationComponents
  extends Pick<ImagePreflightComponents, 'registry' | 'pullSecrets' | 'clock' | 'logger'> {
  /** Returns the architecture of pods that request none. */
  readonly architecture: (options: AbortOptions) => Promise<string>;
}

/** Looks images up in their registries, each once. Rejects only with the signal's reason. */
export async function examineImages(
  references: readonly ImageReference[],
  { architecture, ...components }: ImageExaminationComponents,
  options: AbortOptions,
): Promise<readonly ExaminedImage[]> {
  const byText = new Map(references.map((reference) => [formatImageReference(reference), reference]));
  if (byText.size === 0) return [];
  const wanted = await architecture(options);
  const examined = [...byText].map(async ([image, reference]): Promise<ExaminedImage> => {
    let outcome: PreflightOutcome = 'NOT_CHECKED';
    const checked = (report: { readonly outcome: PreflightOutcome }): void => {
      outcome = report.outcome;
    };
    const preflight = new ImagePreflight({ ...components, mode: 'enforce', pinDigests: false, freshMs: 1, checked });
    try {
      await preflight.check({ field: 'image', reference, architecture: wanted }, options);
      return { image, outcome, error: undefined };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isKubernetesWorkerError(error)) throw error;
      return { image, outcome, error };
    } finally {
      preflight.close();
    }
  });
  return await Promise.all(examined);
}
