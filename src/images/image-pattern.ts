import { InvalidSpecError } from '../errors/caller.ts';
import type { CanonicalImage } from './image-reference.ts';

/** Whether an image matches a pattern. */
export type ImagePattern = (image: CanonicalImage) => boolean;

const longestPattern = 512;

/**
 * Compiles a pattern of image references. `*` matches any text without a slash, `**` any text.
 *
 * @throws InvalidSpecError - names `field`: the pattern has no registry, or characters that no
 * reference has
 */
export function compileImagePattern(field: string, pattern: string): ImagePattern {
  if (pattern.length > longestPattern)
    throw new InvalidSpecError(field, `has ${pattern.length} characters, more than ${longestPattern}`);
  if (!/^[\w.\-:/@*[\]]+$/.test(pattern)) throw new InvalidSpecError(field, 'is not a pattern of image references');
  const lastSlash = pattern.lastIndexOf('/');
  const begins = pattern.slice(0, Math.max(pattern.indexOf('/'), 0));
  if (!pattern.startsWith('**') && !/[.:*]|^localhost$/.test(begins))
    throw new InvalidSpecError(field, 'does not begin with a registry: write docker.io/library/busybox, or **/busybox');
  const version = pattern.slice(lastSlash + 1).search(/[:@]/);
  const end = version === -1 ? pattern.length : lastSlash + 1 + version;
  const name = globOf(
    pattern
      .slice(0, end)
      .toLowerCase()
      .replace(/^([^/]*):443\//, '$1/'),
  );
  const rest = version === -1 ? undefined : globOf(pattern.slice(end));
  return ({ registry, repository, version: selected, isDigest }) =>
    name(`${registry}/${repository}`) && (rest === undefined || rest(`${isDigest ? '@' : ':'}${selected}`));
}

/** Compares in time proportional to the product of both lengths, whatever the pattern. */
function globOf(pattern: string): (text: string) => boolean {
  const parts = pattern.match(/\*\*+|\*|[^*]/g) ?? [];
  return (text) => {
    // The lengths of those beginnings of the text that the parts so far can match.
    let ends = new Set([0]);
    for (const part of parts)
      ends = part.startsWith('*') ? stretched(ends, text, part.length > 1) : after(ends, text, part);
    return ends.has(text.length);
  };
}

function after(ends: ReadonlySet<number>, text: string, character: string): Set<number> {
  return new Set([...ends].filter((end) => text[end] === character).map((end) => end + 1));
}

function stretched(ends: ReadonlySet<number>, text: string, overSlashes: boolean): Set<number> {
  const reached = new Set(ends);
  for (let end = 0; end < text.length; end += 1)
    if (reached.has(end) && (overSlashes || text[end] !== '/')) reached.add(end + 1);
  return reached;
}
