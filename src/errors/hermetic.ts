import { KubernetesWorkerError } from './base.ts';

/**
 * Why a pod counts as not isolated.
 *
 * - `policy-missing`: the namespace lacks the library's NetworkPolicy, and the worker may not create
 *   it.
 * - `policy-differs`: the NetworkPolicy of this name has another specification, or another
 *   NetworkPolicy allows the pod to send.
 * - `policy-not-enforced`: the pod still reaches an address that the policy denies.
 * - `probe-inconclusive`: the probe could not show whether the cluster enforces the policy.
 *
 * @public
 */
export type HermeticFailure = 'policy-missing' | 'policy-differs' | 'policy-not-enforced' | 'probe-inconclusive';

/**
 * Identifies what was examined before a hermetic container was refused.
 *
 * @public
 */
export interface HermeticFacts {
  /** The namespace of the pods. */
  readonly namespace: string;
  /** Why the pod counts as not isolated. */
  readonly reason: HermeticFailure;
  /** What was tried, and what happened. */
  readonly detail: string;
}

/**
 * Thrown if the isolation of a hermetic container is not proven. No command of the container has
 * run.
 *
 * @public
 */
export class HermeticNotEnforcedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_HERMETIC_NOT_ENFORCED';
  /** The namespace of the pods. */
  readonly namespace: string;
  /** Why the pod counts as not isolated. */
  readonly reason: HermeticFailure;
  /** What was tried, and what happened. */
  readonly detail: string;

  constructor({ namespace, reason, detail }: HermeticFacts, options?: ErrorOptions) {
    super(`hermetic container refused in namespace ${namespace}: ${detail}; ${advice[reason]}`, false, options);
    this.namespace = namespace;
    this.reason = reason;
    this.detail = detail;
  }
}

const advice: Readonly<Record<HermeticFailure, string>> = {
  'policy-missing': 'create it as docs/rbac.md describes, or grant the permission to create it',
  'policy-differs': 'correct or delete that NetworkPolicy (see docs/pods.md)',
  'policy-not-enforced': 'use a cluster whose network plug-in enforces NetworkPolicies',
  'probe-inconclusive':
    "permit ordinary pods of the worker to connect to the API server's Service, which the probe uses (see docs/pods.md)",
};
