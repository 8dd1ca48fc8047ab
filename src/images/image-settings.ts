import { InvalidSpecError } from '../errors/caller.ts';
import type { ImageOptions } from '../runtime/image.ts';
import { type CompiledImagePolicy, compileImagePolicy } from './image-policy.ts';
import {
  checkRegistryPrefix,
  formatImageReference,
  type ImageReference,
  parseImageReference,
  qualifyImage,
} from './image-reference.ts';

/** The validated options for the images of a worker. */
export interface ImageSettings {
  readonly policy: CompiledImagePolicy;
  /** In the form that nodes accept. */
  readonly volumeImage: string;
  /** `undefined` if images are not checked. */
  readonly preflight: PreflightSettings | undefined;
  readonly plainHttpRegistries: ReadonlySet<string>;
}

export interface PreflightSettings {
  readonly mode: 'warn' | 'enforce';
  readonly pinDigests: boolean;
  readonly freshMs: number;
  readonly plainHttpRegistries: ReadonlySet<string>;
}

/** @throws InvalidSpecError - names the option */
export function imageSettings(options: ImageOptions, volumeImage: string): ImageSettings {
  const { registryPrefix: prefix, policy = {} } = options;
  if (prefix !== undefined) checkRegistryPrefix('images.registryPrefix', prefix);
  const reference = qualifyImage('volumeImage', parseImageReference('volumeImage', volumeImage), prefix);
  return {
    policy: compileImagePolicy(policy, prefix),
    volumeImage: formatImageReference(reference),
    preflight: preflightSettings(options),
    plainHttpRegistries: plainHttpRegistries(options),
  };
}

/** Returns the images that the options name. */
export function configuredImages({ volumeImage, policy }: ImageSettings): readonly ImageReference[] {
  const { resourceTypes, rules, defaultImage } = policy;
  const images = [
    parseImageReference('volumeImage', volumeImage),
    ...resourceTypes.values(),
    ...rules.map(({ image }) => image),
    defaultImage,
  ];
  return images.filter((image) => image !== undefined);
}

function preflightSettings(options: ImageOptions): PreflightSettings | undefined {
  const { preflight: mode = 'off', pinDigests = false, preflightFreshMs: freshMs = 60_000 } = options;
  if (!(Number.isSafeInteger(freshMs) && freshMs > 0))
    throw new InvalidSpecError('images.preflightFreshMs', `${freshMs} is not a positive number of milliseconds`);
  if (mode === 'off' && pinDigests) throw new InvalidSpecError('images.pinDigests', 'requires images.preflight');
  return mode === 'off' ? undefined : { mode, pinDigests, freshMs, plainHttpRegistries: plainHttpRegistries(options) };
}

function plainHttpRegistries(options: ImageOptions): ReadonlySet<string> {
  return new Set((options.plainHttpRegistries ?? []).map(checkRegistry));
}

/** Returns the host in the form in which it is compared with those of images. */
function checkRegistry(host: string, index: number): string {
  const field = `images.plainHttpRegistries[${index}]`;
  checkRegistryPrefix(field, host);
  if (host.includes('/')) throw new InvalidSpecError(field, 'has a path: use a host with an optional port');
  return host.toLowerCase();
}
