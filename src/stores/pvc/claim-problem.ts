import type { Pod, PodEvent } from '../../kubernetes/cluster.ts';
import { findUnschedulable } from '../../kubernetes/pod-state/pod-status.ts';
import { findVolumeFailure } from '../../kubernetes/pod-state/volume-failure.ts';

/**
 * Why a store pod does not get its claim. `missing`: the claim does not exist. `unbound`: it has no
 * volume. `in use`: another pod has it, and its access mode permits no other. `not mounted`: its
 * volume was not attached or not mounted.
 */
export type ClaimProblemKind = 'missing' | 'unbound' | 'in use' | 'not mounted';

export interface ClaimProblem {
  readonly kind: ClaimProblemKind;
  /** What Kubernetes reports. */
  readonly detail: string;
}

/**
 * How long each problem may last, in milliseconds. A scheduler sees a new claim late. Kubernetes looks
 * for a volume of a claim every 15 seconds. A volume that is detached from another node takes longer.
 */
export const patienceMs: Readonly<Record<ClaimProblemKind, number>> = {
  missing: 3_000,
  unbound: 30_000,
  'in use': 15_000,
  'not mounted': 45_000,
};

/**
 * Returns the problem that the scheduler reports. A claim that is bound when its pod is scheduled
 * (`WaitForFirstConsumer`) has none.
 */
export function scheduledProblem(pod: Pod): ClaimProblem | undefined {
  const { detail } = findUnschedulable(pod) ?? {};
  return detail === undefined ? undefined : problemIn(detail);
}

/** Returns the problem that the latest event about the volumes of a pod reports. */
export function mountProblem(events: readonly PodEvent[]): ClaimProblem | undefined {
  const detail = findVolumeFailure(events);
  return detail === undefined ? undefined : (problemIn(detail) ?? { kind: 'not mounted', detail });
}

function problemIn(detail: string): ClaimProblem | undefined {
  if (/persistentvolumeclaim "[^"]*" not found/i.test(detail)) return { kind: 'missing', detail };
  if (/unbound immediate PersistentVolumeClaims|non-existent persistentvolume|is being deleted/i.test(detail))
    return { kind: 'unbound', detail };
  return /ReadWriteOncePod/.test(detail) ? { kind: 'in use', detail } : undefined;
}
