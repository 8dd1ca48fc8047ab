import { createHash } from 'node:crypto';

import type { ContainerPlan } from './container-plan.ts';
import { mergeEnvironment } from './exec-limits.ts';

/**
 * Returns the SHA-256, in hex, of everything in a specification that determines the container. Two
 * specifications with the same effect have the same digest: paths are normalized, and the order of
 * environment variables, inputs, outputs and caches is irrelevant. An input counts by its path and
 * by the handle of its artifact.
 *
 * Absent fields and empty lists do not count, so that a field which a later version adds leaves the
 * digests of specifications without it as they are. The stored digests of running containers depend
 * on that.
 */
export function specDigest(plan: ContainerPlan): string {
  const { environment, mounts, pod, ...rest } = plan;
  const determining = {
    ...rest,
    environment: mergeEnvironment([], environment).toSorted(),
    mounts: mounts
      .map(({ artifact, ...mount }) => ({ ...mount, artifact: artifact?.handle }))
      .toSorted((a, b) => order(a.mountPath, b.mountPath)),
    pod: { ...pod, privileged: pod.privileged || undefined, hermetic: pod.hermetic === true || undefined },
  };
  return digestOf(determining);
}

/**
 * Returns the SHA-256, in hex, of a value in a canonical form: its fields in a fixed order, without
 * absent and empty ones.
 */
export function digestOf(value: object): string {
  return createHash('sha256')
    .update(JSON.stringify(canonical(value)))
    .digest('hex');
}

/** Returns the value with its fields in a fixed order, without absent and empty ones. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, canonical(field)] as const);
  return Object.fromEntries(fields.filter(([, field]) => !isAbsent(field)).toSorted(([a], [b]) => order(a, b)));
}

function isAbsent(value: unknown): boolean {
  return value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}

/** Orders by code units, which no locale changes. */
function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
