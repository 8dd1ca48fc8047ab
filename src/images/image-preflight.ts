import { InvalidSpecError } from '../errors/caller.ts';
import { isKubernetesWorkerError } from '../errors/error-code.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { PreflightObserver, PreflightOutcome } from '../runtime/preflight-report.ts';
import { ImageFactsCache } from './image-facts-cache.ts';
import { type CanonicalImage, canonicalImage, formatImageReference, type ImageReference } from './image-reference.ts';
import { imageWarnings } from './image-warnings.ts';
import { credentialsFor } from './pull-secrets.ts';
import type { ImageFacts, Inspection, RegistryClient } from './registry-client.ts';

export interface ImagePreflightComponents {
  readonly registry: Pick<RegistryClient, 'inspect'>;
  /** Returns the texts of the pull secrets, of the type `kubernetes.io/dockerconfigjson`. */
  readonly pullSecrets: (options: AbortOptions) => Promise<readonly string[]>;
  /** Whether a finding rejects, or is only logged. */
  readonly mode: 'warn' | 'enforce';
  /** Whether tags are replaced by digests. */
  readonly pinDigests: boolean;
  readonly freshMs: number;
  /** Receives the report of each check. @defaultValue none */
  readonly checked?: PreflightObserver | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The image to check. */
export interface PreflightRequest {
  readonly field: string;
  readonly reference: ImageReference;
  readonly architecture: string;
}

/** What is known about a check that is under way. */
interface Course {
  outcome: PreflightOutcome;
  isCached: boolean;
}

/** Checks images in their registries before a pod refers to them. */
export class ImagePreflight {
  readonly #components: ImagePreflightComponents;
  readonly #cache: ImageFactsCache;

  constructor(components: ImagePreflightComponents) {
    this.#components = components;
    this.#cache = new ImageFactsCache(components);
  }

  /**
   * Returns the reference, by its digest if tags are pinned. A registry that does not answer is no
   * finding: the node, which may reach the registry, decides.
   *
   * @throws InvalidSpecError - with `enforce`: the registry has no such image, refuses the worker's
   * pull secrets, or has the image for other architectures only
   * @throws ForbiddenError - with `enforce`: the worker may not read its pull secrets
   */
  async check(request: PreflightRequest, options: AbortOptions = {}): Promise<ImageReference> {
    const { clock, checked } = this.#components;
    const startedAt = clock.now();
    const course: Course = { outcome: 'CANCELLED', isCached: true };
    try {
      const reference = await this.#check(request, course, options);
      // Logged once for each request to a registry, not for each step.
      if (!course.isCached) this.#warn(request.field, reference);
      return reference;
    } finally {
      checked?.({ ...course, durationMs: clock.now() - startedAt });
    }
  }

  close(): void {
    this.#cache.close();
  }

  async #check(
    { field, reference, architecture }: PreflightRequest,
    course: Course,
    options: AbortOptions,
  ): Promise<ImageReference> {
    const image = formatImageReference(reference);
    const canonical = canonicalImage(reference);
    const found = await this.#inspect(canonical, image, course, options);
    course.outcome = outcomeOf(found, architecture);
    if (found === undefined) return reference;
    const problem = problemOf(found, canonical, architecture);
    if (problem !== undefined) this.#report(field, image, problem);
    return typeof found === 'string' || !this.#components.pinDigests ? reference : pinned(reference, found);
  }

  #warn(field: string, reference: ImageReference): void {
    for (const warning of imageWarnings(reference))
      this.#components.logger.warn('image not reproducible', {
        field,
        image: formatImageReference(reference),
        warning,
      });
  }

  #report(field: string, image: string, problem: string): void {
    const { mode, logger } = this.#components;
    if (mode === 'enforce') throw new InvalidSpecError(field, `${image} ${problem}`);
    logger.warn('image not usable', { field, image, problem });
  }

  /** Returns `undefined` if the check is not possible now. */
  async #inspect(
    canonical: CanonicalImage,
    image: string,
    course: Course,
    options: AbortOptions,
  ): Promise<Inspection | undefined> {
    const { mode, logger } = this.#components;
    const key = `${canonical.registry}/${canonical.repository} ${canonical.version}`;
    try {
      const ask = (signal: AbortSignal): Promise<Inspection> => {
        course.isCached = false;
        return this.#ask(canonical, { signal });
      };
      return await this.#cache.get(key, ask, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      course.outcome = 'NOT_CHECKED';
      if (mode === 'enforce' && isKubernetesWorkerError(error) && !error.retryable) throw error;
      logger.warn('image not checked', { image, error });
      return undefined;
    }
  }

  /** Tries each credential until the registry accepts one. */
  async #ask(image: CanonicalImage, options: AbortOptions): Promise<Inspection> {
    const { registry, pullSecrets } = this.#components;
    const credentials = credentialsFor(await pullSecrets(options), image);
    for (const credential of credentials.length === 0 ? [undefined] : credentials) {
      const found = await registry.inspect(image, credential, options);
      if (found !== 'refused') return found;
    }
    return 'refused';
  }
}

function outcomeOf(found: Inspection | undefined, architecture: string): PreflightOutcome {
  if (found === undefined) return 'NOT_CHECKED';
  if (found === 'missing') return 'MISSING';
  if (found === 'refused') return 'REFUSED';
  return supports(found, architecture) ? 'OK' : 'OTHER_ARCHITECTURE';
}

function problemOf(found: Inspection, { registry }: CanonicalImage, architecture: string): string | undefined {
  if (found === 'missing') return `does not exist in the registry ${registry}`;
  if (found === 'refused')
    return `is not accessible in the registry ${registry} with the option pods.imagePullSecrets, or does not exist`;
  if (supports(found, architecture)) return undefined;
  return `exists for ${found.architectures?.join(', ') ?? 'none'}, not for ${architecture}`;
}

function supports({ architectures }: ImageFacts, architecture: string): boolean {
  return architectures === undefined || architectures.includes(architecture);
}

/** Without the tag: not every runtime accepts both. */
function pinned(reference: ImageReference, { digest }: ImageFacts): ImageReference {
  return { ...reference, tag: undefined, digest };
}
