/**
 * The result of an image's name. The cluster pulls no images: a valid name stands for this
 * machine's file system.
 */
export type ImageVerdict =
  | { readonly verdict: 'present' }
  | { readonly verdict: 'invalid'; readonly message: string }
  | { readonly verdict: 'unavailable'; readonly message: string };

const componentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const hostPattern =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?))*(?::[0-9]+)?$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;

interface ImageReference {
  readonly host: string;
  readonly path: string;
}

/**
 * Splits `host/path:tag@digest`. Throws with the container runtime's message if the text is not an
 * image name.
 */
function parseReference(image: string): ImageReference {
  const [beforeDigest = '', digest, ...rest] = image.split('@');
  if (rest.length > 0 || (digest !== undefined && !digestPattern.test(digest)))
    throw new Error('invalid reference format');
  const tagAt = beforeDigest.indexOf(':', beforeDigest.lastIndexOf('/') + 1);
  const name = tagAt < 0 ? beforeDigest : beforeDigest.slice(0, tagAt);
  if (tagAt >= 0 && !tagPattern.test(beforeDigest.slice(tagAt + 1))) throw new Error('invalid reference format');
  const parts = name.split('/');
  const [first = ''] = parts;
  const hasHost =
    parts.length > 1 &&
    (first.includes('.') || first.includes(':') || first === 'localhost' || first !== first.toLowerCase());
  if (hasHost && !hostPattern.test(first)) throw new Error('invalid reference format');
  const components = hasHost ? parts.slice(1) : parts;
  const path = components.join('/');
  if (path !== path.toLowerCase())
    throw new Error(`invalid reference format: repository name (${path}) must be lowercase`);
  if (!components.every((component) => componentPattern.test(component))) throw new Error('invalid reference format');
  return { host: hasHost ? first : 'docker.io', path };
}

/**
 * Classifies an image's name. A name is unavailable if its registry host is `invalid` or ends with
 * `.invalid` (a domain that RFC 2606 reserves), or if it contains `does-not-exist`. A name with a
 * wrong format is invalid. Every other name is present.
 */
export function judgeImage(image: string): ImageVerdict {
  let reference: ImageReference;
  try {
    reference = parseReference(image);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {
      verdict: 'invalid',
      message: `Failed to apply default image tag "${image}": couldn't parse image name "${image}": ${reason}`,
    };
  }
  const host = reference.host.replace(/:[0-9]+$/, '');
  const resolving = `failed to pull and unpack image "${image}": failed to resolve reference "${image}"`;
  const unreachable = host === 'invalid' || host.endsWith('.invalid');
  if (unreachable)
    return {
      verdict: 'unavailable',
      message: `${resolving}: failed to do request: Head "https://${reference.host}/v2/${reference.path}/manifests/latest": dial tcp: lookup ${host}: no such host`,
    };
  if (image.includes('does-not-exist')) return { verdict: 'unavailable', message: `${resolving}: ${image}: not found` };
  return { verdict: 'present' };
}
