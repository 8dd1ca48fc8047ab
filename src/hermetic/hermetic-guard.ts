import { ConflictError, ForbiddenError } from '../errors/cluster.ts';
import { type HermeticFailure, HermeticNotEnforcedError } from '../errors/hermetic.ts';
import { Semaphore } from '../internal/semaphore.ts';
import type { Cluster, NetworkPolicy } from '../kubernetes/cluster.ts';
import type { PodSupervisor, SupervisedPod } from '../pods/pod-supervisor.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import { egressPolicy, egressPolicyName, ownPolicy, permittingPolicies, policyProblem } from './egress-policy.ts';
import type { ReachResult, ReachTarget } from './reach-probe.ts';

export interface HermeticGuardComponents {
  readonly cluster: Pick<Cluster, 'namespace' | 'createNetworkPolicy' | 'listNetworkPolicies' | 'getPod'>;
  readonly pods: Pick<PodSupervisor, 'retry' | 'persist'>;
  /** Tries a connection from a pod. Without a target it is the API server's Service. */
  readonly reach: (podName: string, target: ReachTarget | undefined, options: AbortOptions) => Promise<ReachResult>;
  /** Runs work in a pod of its own, which is deleted afterwards. */
  readonly inProbePod: <T>(
    hermetic: boolean,
    work: (pod: SupervisedPod) => Promise<T>,
    options: AbortOptions,
  ) => Promise<T>;
  readonly clock: Clock;
  /**
   * How long the cluster may take to connect a pod that answers to the network and to enforce the
   * policy, in milliseconds.
   */
  readonly enforcementMs: number;
}

/** What has been established before a hermetic pod starts. */
export interface HermeticGround {
  /** An address that ordinary pods reach. */
  readonly target: ReachTarget;
  readonly policies: readonly NetworkPolicy[];
}

/** The wait between probes of a pod. */
export const probeRetryMs = 500;
/**
 * How many probes in a row have to fail. One may fail where nothing isolates the pod: its network may
 * be connected late, and the Service may lead to an API server that has just failed.
 */
const silentProbes = 2;

/**
 * Proves for each hermetic pod that it cannot send. The policy alone proves nothing, because a
 * cluster may accept and not enforce it. A failed connection alone proves nothing either: an ordinary
 * pod has to reach the same target.
 */
export class HermeticGuard {
  readonly #components: HermeticGuardComponents;
  readonly #establishing = new Semaphore(1);
  /** What an ordinary pod of this worker has reached. */
  #target: ReachTarget | undefined;

  constructor(components: HermeticGuardComponents) {
    this.#components = components;
  }

  /**
   * Establishes the policy, and that an ordinary pod reaches the target of the probe.
   *
   * @throws HermeticNotEnforcedError
   * @throws ForbiddenError - the worker may not list network policies
   */
  async prepare(options: AbortOptions): Promise<HermeticGround> {
    const policies = await this.#components.pods.retry(() => this.#establishPolicy(options), options);
    return { policies, target: await this.#establishTarget(options) };
  }

  /**
   * Resolves when the pod can no longer reach the target.
   *
   * @throws HermeticNotEnforcedError
   */
  async requireSealed({ podName }: SupervisedPod, ground: HermeticGround, { signal }: AbortOptions): Promise<void> {
    await this.#requireNoPermission(podName, ground, { signal });
    const wanted = { outcome: 'unreachable', times: silentProbes } as const;
    const { outcome, passedMs } = await this.#reachUntil(wanted, podName, ground.target, { signal });
    if (outcome === 'unreachable') return;
    const detail =
      `pod ${podName} still reaches ${textOf(ground.target)} (${outcome}) after ${passedMs} ms, although ` +
      `NetworkPolicy ${egressPolicyName} denies it`;
    throw this.#refusal('policy-not-enforced', detail);
  }

  /** Examines a hermetic pod of its own, like that of a hermetic container. Returns the finding. */
  async examine(options: AbortOptions): Promise<string> {
    const ground = await this.prepare(options);
    await this.#components.inProbePod(true, (pod) => this.requireSealed(pod, ground, options), options);
    return `An ordinary pod reaches ${textOf(ground.target)}, and a hermetic pod does not.`;
  }

  async #establishPolicy({ signal }: AbortOptions): Promise<readonly NetworkPolicy[]> {
    const { cluster } = this.#components;
    let policies = await cluster.listNetworkPolicies({ signal });
    if (ownPolicy(policies) === undefined) {
      await this.#createPolicy({ signal });
      policies = await cluster.listNetworkPolicies({ signal });
    }
    const own = ownPolicy(policies);
    if (own === undefined)
      throw this.#refusal('policy-missing', `NetworkPolicy ${egressPolicyName} was deleted at once`);
    const problem = policyProblem(own);
    if (problem !== undefined) throw this.#refusal('policy-differs', `NetworkPolicy ${problem}`);
    return policies;
  }

  async #createPolicy({ signal }: AbortOptions): Promise<void> {
    try {
      await this.#components.cluster.createNetworkPolicy(egressPolicy(), { signal });
    } catch (error) {
      // Another worker has created it.
      if (error instanceof ConflictError) return;
      if (!(error instanceof ForbiddenError)) throw error;
      const detail = `NetworkPolicy ${egressPolicyName} does not exist, and the worker may not create it`;
      throw this.#refusal('policy-missing', detail, { cause: error });
    }
  }

  /** Uses a pod once per worker. A failure is not kept: the next call tries again. */
  async #establishTarget(options: AbortOptions): Promise<ReachTarget> {
    if (this.#target !== undefined) return this.#target;
    const release = await this.#establishing.acquire(options);
    try {
      this.#target ??= await this.#components.inProbePod(false, (pod) => this.#reachFrom(pod, options), options);
      return this.#target;
    } finally {
      release();
    }
  }

  async #reachFrom({ podName }: SupervisedPod, options: AbortOptions): Promise<ReachTarget> {
    // A refusal may be that of a node without an endpoint for the Service.
    const wanted = { outcome: 'connected', times: 1 } as const;
    const { outcome, target, passedMs } = await this.#reachUntil(wanted, podName, undefined, options);
    if (outcome === 'connected') return target;
    const detail = `an ordinary pod, ${podName}, does not reach ${textOf(target)} either (${outcome}) after ${passedMs} ms`;
    throw this.#refusal('probe-inconclusive', detail);
  }

  /**
   * Tries until the outcome is the expected one so many times in a row, or is another one after
   * `enforcementMs`.
   */
  async #reachUntil(
    wanted: { readonly outcome: ReachResult['outcome']; readonly times: number },
    podName: string,
    target: ReachTarget | undefined,
    { signal }: AbortOptions,
  ): Promise<ReachResult & { readonly passedMs: number }> {
    const { clock, pods, reach, enforcementMs } = this.#components;
    const startedAt = clock.now();
    for (let times = 0; ; ) {
      const result = await pods.persist(podName, () => reach(podName, target, { signal }), { signal });
      times = result.outcome === wanted.outcome ? times + 1 : 0;
      const passedMs = clock.now() - startedAt;
      if (times === wanted.times || (times === 0 && passedMs >= enforcementMs)) return { ...result, passedMs };
      await clock.sleep(probeRetryMs, { signal });
    }
  }

  /** The labels are read from the pod, because admission may add some. */
  async #requireNoPermission(podName: string, { policies }: HermeticGround, options: AbortOptions): Promise<void> {
    const { cluster, pods } = this.#components;
    const pod = await pods.persist(podName, () => cluster.getPod(podName, options), options);
    const permitting = permittingPolicies(policies, pod?.metadata?.labels ?? {});
    if (permitting.length > 0)
      throw this.#refusal('policy-differs', `NetworkPolicy ${permitting.join(', ')} permits egress of pod ${podName}`);
  }

  #refusal(reason: HermeticFailure, detail: string, options?: ErrorOptions): HermeticNotEnforcedError {
    return new HermeticNotEnforcedError({ namespace: this.#components.cluster.namespace, reason, detail }, options);
  }
}

function textOf({ host, port }: ReachTarget): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
