import { InvalidSpecError } from '../errors/caller.ts';

/** The parts of an image reference, as the distribution project defines them. */
export interface ImageReference {
  /** The host of the registry, with its port. `undefined` for a short name. */
  readonly registry: string | undefined;
  readonly repository: string;
  readonly tag: string | undefined;
  /** `algorithm:hex`. Determines the content; runtimes then ignore the tag. */
  readonly digest: string | undefined;
}

/** A reference as the registry resolves it: fully qualified, and with a tag or a digest, not both. */
export interface CanonicalImage {
  /** In lower case, without the default port of HTTPS. */
  readonly registry: string;
  readonly repository: string;
  /** What selects the content: a digest or a tag. */
  readonly version: string;
  readonly isDigest: boolean;
}

/** Prefixes that some hosts prepend. The longest matching one is removed, once. */
const schemes = /^(?:docker:\/\/\/|docker:\/\/|raw:\/\/\/)/;
const hostLabel = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const registryForm = new RegExp(`^(?:${hostLabel}(?:\\.${hostLabel})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const pathPart = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const repositoryForm = new RegExp(`^${pathPart}(?:/${pathPart})*$`);
const tagForm = /^\w[\w.-]{0,127}$/;
const hexLengths: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);
const longestName = 255;

/**
 * Parses a reference by the grammar of the distribution project, which nodes apply as well. Removes
 * one prefix `docker:///`, `docker://` or `raw:///`.
 *
 * @throws InvalidSpecError - names `field`. The message contains no text with an `@`, because that
 * may be a URL with credentials
 */
export function parseImageReference(field: string, text: string): ImageReference {
  const rest = text.replace(schemes, '');
  if (rest === '') throw new InvalidSpecError(field, 'is empty');
  const at = rest.indexOf('@');
  const digest = at === -1 ? undefined : checkDigest(field, rest.slice(at + 1));
  const named = at === -1 ? rest : rest.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon === -1 ? undefined : checkTag(field, named.slice(colon + 1));
  return { ...parseName(field, colon === -1 ? named : named.slice(0, colon)), tag, digest };
}

/** Returns the text of a reference. `parseImageReference` of it returns an equal reference. */
export function formatImageReference({ registry, repository, tag, digest }: ImageReference): string {
  const name = registry === undefined ? repository : `${registry}/${repository}`;
  return `${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/**
 * Returns the reference with the prefix if it is a short name, otherwise unchanged.
 *
 * @throws InvalidSpecError - names `field`: the prefix makes the name too long
 */
export function qualifyImage(field: string, reference: ImageReference, prefix: string | undefined): ImageReference {
  if (reference.registry !== undefined || prefix === undefined) return reference;
  return { ...reference, ...parseName(field, `${prefix}/${reference.repository}`) };
}

/** @throws InvalidSpecError - the text is not a registry with an optional path below it */
export function checkRegistryPrefix(field: string, prefix: string): void {
  const { registry, tag, digest } = parseImageReference(field, `${prefix}/x`);
  if (registry === undefined)
    throw new InvalidSpecError(field, 'does not begin with the host of a registry, like registry.example/mirror');
  if (tag !== undefined || digest !== undefined) throw new InvalidSpecError(field, 'has a tag or a digest');
}

/**
 * Returns the reference as nodes complete it. Two references of the same image in the same registry
 * have equal results, if they select it by the same tag or digest.
 */
export function canonicalImage({
  registry: host = 'docker.io',
  repository,
  tag,
  digest,
}: ImageReference): CanonicalImage {
  const lower = host.toLowerCase().replace(/:443$/, '');
  const registry = lower === 'index.docker.io' || lower === 'registry-1.docker.io' ? 'docker.io' : lower;
  return {
    registry,
    repository: registry === 'docker.io' && !repository.includes('/') ? `library/${repository}` : repository,
    version: digest ?? tag ?? 'latest',
    isDigest: digest !== undefined,
  };
}

function parseName(field: string, name: string): Pick<ImageReference, 'registry' | 'repository'> {
  if (name.length > longestName)
    throw new InvalidSpecError(field, `the name has ${name.length} characters, more than ${longestName}`);
  const slash = name.indexOf('/');
  const registry = slash !== -1 && isRegistry(name.slice(0, slash)) ? name.slice(0, slash) : undefined;
  const repository = registry === undefined ? name : name.slice(slash + 1);
  if (registry !== undefined && !registryForm.test(registry))
    throw new InvalidSpecError(field, `${JSON.stringify(registry)} is not a host with an optional port`);
  if (!repositoryForm.test(repository))
    throw new InvalidSpecError(
      field,
      `${JSON.stringify(repository)} is not a repository: use lower-case letters, digits and single separators`,
    );
  // Docker's short form of a digest, which nodes refuse as a name.
  if (registry === undefined && /^[0-9a-f]{64}$/.test(repository))
    throw new InvalidSpecError(field, 'is the hex of a digest without a repository: use repository@sha256:hex');
  return { registry, repository };
}

/** Whether the part before the first slash of a name is a host and not a folder. */
function isRegistry(part: string): boolean {
  return /[.:]/.test(part) || part === 'localhost' || part !== part.toLowerCase();
}

function checkTag(field: string, tag: string): string {
  if (tagForm.test(tag)) return tag;
  throw new InvalidSpecError(
    field,
    `${JSON.stringify(tag.slice(0, 200))} is not a tag: use 1 to 128 letters, digits, "_", "." and "-"`,
  );
}

function checkDigest(field: string, digest: string): string {
  const [algorithm = '', hex = '', ...more] = digest.split(':');
  if (more.length === 0 && /^[0-9a-f]+$/.test(hex) && hexLengths.get(algorithm) === hex.length) return digest;
  throw new InvalidSpecError(
    field,
    `the part after "@" is not a digest: use ${[...hexLengths].map(([name, length]) => `${name}: and ${length} hex digits`).join(', or ')}`,
  );
}
