import { InvalidSpecError } from '../errors/caller.ts';
import type { Architecture, ContainerMetadata } from '../runtime/container.ts';
import type { ImageExplanation, ImageRequest } from '../runtime/image.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { SidecarSpec } from '../runtime/sidecar.ts';
import { type CompiledImagePolicy, requirePermission, resolveImage } from './image-policy.ts';
import type { ImagePreflight } from './image-preflight.ts';
import { formatImageReference, type ImageReference, parseImageReference, qualifyImage } from './image-reference.ts';
import { imageWarnings } from './image-warnings.ts';

/** The images that a step requests. */
export interface RequestedImages {
  readonly image: string | undefined;
  readonly resourceType: string | undefined;
  readonly sidecars: readonly SidecarSpec[];
  /** @defaultValue the worker's */
  readonly architecture: Architecture | undefined;
}

/** The images of a step's pod, in the form that nodes accept. */
export interface StepImages {
  readonly image: string;
  readonly sidecars: readonly SidecarSpec[];
  /** The references as requested, where they differ, by the name of the Kubernetes container. */
  readonly requestedImages: Readonly<Record<string, string>>;
}

/** A Kubernetes container's image on its way from the request to the pod. */
interface ContainerImage {
  readonly field: string;
  readonly containerName: string;
  readonly requested: string | undefined;
  readonly reference: ImageReference;
}

/** The step's own image, and its sidecars'. */
type PodImages = readonly [ContainerImage, ...(readonly ContainerImage[])];

export interface StepImageResolverComponents {
  readonly policy: CompiledImagePolicy;
  /** @defaultValue images are not checked in their registries */
  readonly preflight?: Pick<ImagePreflight, 'check'> | undefined;
  /** Returns the architecture of pods that request none. */
  readonly architecture: (options: AbortOptions) => Promise<Architecture>;
}

/** Resolves the images of steps by the worker's options. */
export class StepImageResolver {
  readonly #components: StepImageResolverComponents;
  readonly #policy: CompiledImagePolicy;

  constructor(components: StepImageResolverComponents) {
    this.#components = components;
    this.#policy = components.policy;
  }

  /** @throws InvalidSpecError - `image` is not a reference */
  explain(request: ImageRequest): ImageExplanation {
    const { reference, image, refusal, rule, chain } = resolveImage(request, this.#policy);
    return { image, refusal, rule, chain, warnings: reference === undefined ? [] : imageWarnings(reference) };
  }

  /**
   * Returns the images of a step's pod.
   *
   * @param mainContainerName - the name of the Kubernetes container of the step itself
   * @throws InvalidSpecError - an image is missing, invalid, not permitted, or not usable by its
   * registry; names the field
   */
  async resolve(
    mainContainerName: string,
    requested: RequestedImages,
    metadata: ContainerMetadata,
    options: AbortOptions = {},
  ): Promise<StepImages> {
    options.signal?.throwIfAborted();
    const images = [
      this.#main(mainContainerName, requested, metadata),
      ...requested.sidecars.map((sidecar, index) => this.#sidecar(sidecar, index, metadata)),
    ] as const;
    const [main, ...beside] = await this.#checked(images, requested.architecture, options);
    return {
      image: formatImageReference(main.reference),
      sidecars: requested.sidecars.map((sidecar, index) => ({
        ...sidecar,
        image: textOf(beside[index], sidecar.image),
      })),
      requestedImages: changedImages([main, ...beside]),
    };
  }

  /** Returns the images as their registries have them. */
  async #checked(
    [main, ...beside]: PodImages,
    requested: Architecture | undefined,
    options: AbortOptions,
  ): Promise<PodImages> {
    const { preflight, architecture: defaultArchitecture } = this.#components;
    if (preflight === undefined) return [main, ...beside];
    const architecture = requested ?? (await defaultArchitecture(options));
    const check = async (image: ContainerImage): Promise<ContainerImage> => ({
      ...image,
      reference: await preflight.check({ ...image, architecture }, options),
    });
    return await Promise.all([check(main), ...beside.map(check)]);
  }

  #main(containerName: string, { image, resourceType }: RequestedImages, metadata: ContainerMetadata): ContainerImage {
    const { reference, refusal } = resolveImage({ image, resourceType, metadata }, this.#policy);
    if (reference === undefined || refusal !== undefined) throw new InvalidSpecError('image', refusal ?? 'is missing');
    return { field: 'image', containerName, requested: image, reference };
  }

  #sidecar({ name, image }: SidecarSpec, index: number, metadata: ContainerMetadata): ContainerImage {
    const field = `sidecars[${index}].image`;
    const reference = qualifyImage(field, parseImageReference(field, image), this.#policy.prefix);
    requirePermission(field, reference, metadata, this.#policy);
    return { field, containerName: name, requested: image, reference };
  }
}

function textOf(image: ContainerImage | undefined, otherwise: string): string {
  return image === undefined ? otherwise : formatImageReference(image.reference);
}

function changedImages(images: readonly ContainerImage[]): Record<string, string> {
  const changed = images.flatMap(({ containerName, requested, reference }) =>
    requested === undefined || requested === formatImageReference(reference)
      ? []
      : [[containerName, requested] as const],
  );
  return Object.fromEntries(changed);
}
