import { z } from 'zod';

import type { CacheOptions } from '../../../index.ts';
import { key, positive, type Shape, section } from '../section.ts';

/** Artifact volumes. */
export interface ArtifactsSection {
  readonly timeToLiveMs: number;
}

const artifacts: Shape<ArtifactsSection> = {
  timeToLiveMs: key(positive.default(43_200_000), {
    description: 'How long an artifact volume stays after its last use.',
    example: 86_400_000,
  }),
};

export const artifactsSection: z.ZodType<ArtifactsSection> = section(artifacts);

/** Task caches and resource caches. */
export interface CachesSection extends CacheOptions {
  readonly timeToLiveMs: number;
}

const caches: Shape<CachesSection> = {
  timeToLiveMs: key(positive.default(604_800_000), {
    description: 'How long a cache stays after its last use.',
    example: 1_209_600_000,
  }),
  maxBytes: key(positive.optional(), {
    description: 'The size of all caches. The reaper deletes those that were least recently used.',
    example: 107_374_182_400,
    unset: 'no limit',
  }),
  maxKeyBytes: key(positive.optional(), {
    description: 'The size of one cache. A larger content is not saved.',
    example: 10_737_418_240,
    unset: 'no limit',
  }),
  maxCount: key(positive.optional(), {
    description: 'The number of caches, as `caches.maxBytes`.',
    example: 1_000,
    unset: 'no limit',
  }),
};

export const cachesSection: z.ZodType<CachesSection> = section(caches);

/** What stays after its owner has finished. */
export interface RetentionSection {
  readonly maxContainers: number;
  readonly maxAgeMs: number;
  readonly finishedOwnerTtlMs: number;
}

const retention: Shape<RetentionSection> = {
  maxContainers: key(z.int().min(0).default(50), {
    description: 'The maximum number of finished containers that are kept for inspection.',
    example: 10,
  }),
  maxAgeMs: key(positive.default(432_000_000), {
    description: 'The maximum time for which a finished container is kept.',
    example: 86_400_000,
  }),
  finishedOwnerTtlMs: key(positive.default(86_400_000), {
    description: 'How long a finished owner cannot be used again. Longer than a host may be late.',
    example: 172_800_000,
  }),
};

export const retentionSection: z.ZodType<RetentionSection> = section(retention);
