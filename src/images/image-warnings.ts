import { formatImageReference, type ImageReference } from './image-reference.ts';

/**
 * Returns what an operator should change about a permitted reference: without a digest, and with
 * the tag `latest` or none, each pull may get another image.
 */
export function imageWarnings(reference: ImageReference): readonly string[] {
  const { tag, digest } = reference;
  if (digest !== undefined || (tag !== undefined && tag !== 'latest')) return [];
  const has = tag === undefined ? 'has no tag, which means the tag latest' : 'has the tag latest';
  const name = formatImageReference({ ...reference, tag: undefined });
  return [
    `${formatImageReference(reference)} ${has}: each pull may get another image, so that a step is not reproducible; pin a digest (${name}@sha256:…)`,
  ];
}
