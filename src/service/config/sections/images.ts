import { z } from 'zod';

import type { ImageOptions, ImagePolicy, ImageRule } from '../../../index.ts';
import { durationMs, key, type Shape, section, text, textByName, texts } from '../section.ts';

const rule: Shape<ImageRule> = {
  name: text,
  team: text.optional(),
  pipeline: text.optional(),
  step: text.optional(),
  image: text.optional(),
  allow: texts.optional(),
  deny: texts.optional(),
};

const policy: Shape<ImagePolicy> = {
  resourceTypes: key(textByName.optional(), {
    description: 'Images by resource type.',
    example: { git: 'registry.example/git-resource:1' },
    unset: 'none',
  }),
  rules: key(z.array(z.strictObject(rule)).optional(), {
    description:
      'The rules of the policy: `name`, the criteria `team`, `pipeline` and `step`, and `image`, `allow` and `deny`. ' +
      'Their order has no meaning. [Images](images.md) has the details.',
    example: [{ name: 'own registry only', allow: ['registry.example/**'] }],
    unset: 'none',
  }),
  defaultImage: key(text.optional(), {
    description: 'The image of a step for which no other source has one.',
    example: 'registry.example/busybox:1',
    unset: 'none',
  }),
};

/** The images of steps and sidecars. */
export interface ImagesSection extends ImageOptions {
  readonly policy: ImagePolicy;
}

const images: Shape<ImagesSection> = {
  registryPrefix: key(text.optional(), {
    description: 'Prepended to references without a registry.',
    example: 'registry.example/mirror',
    unset: "short names stay as they are, and the node's runtime completes them",
  }),
  pullPolicy: key(z.enum(['IfNotPresent', 'Always', 'Never']).default('IfNotPresent'), {
    description: 'When nodes pull images.',
    example: 'Always',
  }),
  policy: section(policy),
  preflight: key(z.enum(['off', 'warn', 'enforce']).default('off'), {
    description: 'Whether images are checked in their registries before a pod is created.',
    example: 'enforce',
  }),
  pinDigests: key(z.boolean().default(false), {
    description: 'Whether pods refer to images by the digest that the check has found. Requires `images.preflight`.',
    example: true,
  }),
  preflightFreshMs: key(durationMs.default(60_000), {
    description: 'How long the result of a check is used again.',
    example: 300_000,
  }),
  plainHttpRegistries: key(texts.default([]), {
    description: 'Registries that the check accesses over unencrypted HTTP, as hosts with an optional port.',
    example: ['registry.local:5000'],
  }),
};

export const imagesSection: z.ZodType<ImagesSection> = section(images);
