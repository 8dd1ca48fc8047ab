import { HermeticGuard } from '../hermetic/hermetic-guard.ts';
import { inProbePod, type ProbePodComponents } from '../hermetic/probe-pods.ts';
import { type ReachComponents, reachFromPod } from '../hermetic/reach-probe.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { execInMain, type SharedExecOptions } from '../pods/exec-agent.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';

interface WorkerHermeticComponents extends ProbePodComponents {
  readonly cluster: Cluster;
  readonly pods: PodSupervisor;
  readonly exec: SharedExecOptions;
  readonly startTimeoutMs: number;
}

/** Network plug-ins usually enforce a policy within a second or two of a pod's start. */
const longestEnforcementMs = 20_000;

/** Composes what proves the isolation of a worker's hermetic containers. */
export function composeHermetic(components: WorkerHermeticComponents): HermeticGuard {
  const { cluster, pods, exec: shared, clock, startTimeoutMs } = components;
  const { namespace } = cluster;
  const exec: ReachComponents['exec'] = (podName, command, options) =>
    execInMain(cluster, { podName, command }, { ...options, ...shared });
  return new HermeticGuard({
    cluster,
    pods,
    clock,
    reach: (podName, target, options) => reachFromPod({ namespace, exec }, { podName, target }, options),
    inProbePod: (hermetic, work, options) => inProbePod(hermetic, components, work, options),
    enforcementMs: Math.min(longestEnforcementMs, startTimeoutMs),
  });
}
