import type { z } from 'zod';

import type { TransferOptions } from '../../../index.ts';
import { durationMs, key, positive, type Shape, section } from '../section.ts';

/** How long the worker waits, and how much it does at once. */
export interface LimitsSection {
  readonly startTimeoutMs: number;
  readonly imagePullTimeoutMs: number;
  readonly schedulingTimeoutMs: number;
  readonly reconnectTimeoutMs: number;
  readonly leaseMs: number;
  readonly hijackGraceMs: number;
  readonly maxWaitingForQuota: number;
  readonly maxAttachments: number;
}

const limits: Shape<LimitsSection> = {
  startTimeoutMs: key(durationMs.default(300_000), {
    description: 'The maximum time from the assignment of a pod to a node until commands can run in it.',
    example: 600_000,
  }),
  imagePullTimeoutMs: key(durationMs.default(120_000), {
    description: 'The maximum time of image pulls that fail for temporary reasons.',
    example: 300_000,
  }),
  schedulingTimeoutMs: key(durationMs.default(300_000), {
    description: 'The maximum time that a pod waits for a node, or for room in a quota.',
    example: 900_000,
  }),
  reconnectTimeoutMs: key(durationMs.default(300_000), {
    description: 'The maximum time of retries to reach a pod that exists.',
    example: 600_000,
  }),
  leaseMs: key(durationMs.default(60_000), {
    description: 'The duration of the lease on a container that is being created.',
    example: 30_000,
  }),
  hijackGraceMs: key(durationMs.default(300_000), {
    description: 'How long the reaper leaves a container alone after the host of a hijack in it has died.',
    example: 600_000,
  }),
  maxWaitingForQuota: key(positive.default(1_000), {
    description: 'The maximum number of pods that wait for room in a quota.',
    example: 100,
  }),
  maxAttachments: key(positive.default(512), {
    description: 'The maximum number of processes that the worker follows at once.',
    example: 128,
  }),
};

export const limitsSection: z.ZodType<LimitsSection> = section(limits);

/** Limits and retries of transfers: those of the library, with their defaults. */
export type TransfersSection = { readonly [K in keyof TransferOptions]-?: number };

const transfers: Shape<TransfersSection> = {
  maxConcurrent: key(positive.default(32), {
    description: 'The maximum number of concurrent uploads, and of concurrent downloads.',
    example: 64,
  }),
  stallTimeoutMs: key(durationMs.default(120_000), {
    description: 'How long a pod may stay silent on an open connection before the transfer fails.',
    example: 60_000,
  }),
  firstRetryMs: key(durationMs.default(100), {
    description: 'The delay before the second connection attempt. It doubles with each further one.',
    example: 500,
  }),
  longestRetryMs: key(durationMs.default(5_000), {
    description: 'The maximum delay between two connection attempts.',
    example: 10_000,
  }),
  windowBytes: key(positive.max(16_777_216).default(6_291_456), {
    description: 'The maximum number of bytes of a download that are under way or buffered.',
    example: 4_194_304,
  }),
};

export const transfersSection: z.ZodType<TransfersSection> = section(transfers);
