import type { Mutant } from '../../../scripts/mutant.ts';

const launcher = { specs: ['test/unit/pods/pod-launcher.spec.ts'] };
const logs = { specs: ['test/unit/pods/pod-logs.spec.ts'] };
const supervisor = { specs: ['test/unit/pods/pod-supervisor.spec.ts'] };
const pool = { specs: ['test/unit/pods/agent-pool.spec.ts'] };

/** Changes of `src/pods` that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'the agent of another architecture is delivered',
    file: 'src/pods/agent-binary.ts',
    find: 'bytes.readUInt16LE(machineOffset) === MACHINES[architecture]',
    replace: 'bytes.readUInt16LE(machineOffset) > 0',
    killedBy: { specs: ['test/unit/pods/agent-config-map.spec.ts'], grep: 'not a program for the architecture' },
  },
  {
    name: 'the creation of a pod is not retried',
    file: 'src/pods/pod-launcher.ts',
    find: 'error instanceof QuotaExceededError ? timeouts.schedulingMs : timeouts.startMs',
    replace: 'error instanceof QuotaExceededError ? timeouts.schedulingMs : -1',
    killedBy: launcher,
  },
  {
    name: 'an exhausted quota is not retried',
    file: 'src/pods/pod-launcher.ts',
    find: 'error instanceof QuotaExceededError ? timeouts.schedulingMs : timeouts.startMs',
    replace: 'error instanceof QuotaExceededError ? -1 : timeouts.startMs',
    killedBy: launcher,
  },
  {
    name: 'a line of an earlier time is dropped',
    file: 'src/pods/pod-logs.ts',
    find: 'if (this.#repeated === undefined) return this.#deliver([line]);',
    replace: 'if (this.#repeated === undefined) return line.at < this.#latest ? [] : this.#deliver([line]);',
    killedBy: logs,
  },
  {
    name: 'clients of reaped pods are kept',
    file: 'src/pods/agent-pool.ts',
    find: 'if (idleSince !== undefined && idleSince <= before)',
    replace: 'if (idleSince !== undefined && idleSince < 0)',
    killedBy: pool,
  },
  {
    name: 'an eviction is reported while the command still runs',
    file: 'src/pods/pod-end.ts',
    find: 'if (!problem.mayStillRun || !isGraceful(problem)) return problem;',
    replace: 'return problem;',
    killedBy: { specs: ['test/unit/pods/pod-end.spec.ts'] },
  },
  {
    name: 'the wait for the end of a pod on a silent node has no limit',
    file: 'src/pods/pod-end.ts',
    find: 'graceMsOf(pod) + endLateMs',
    replace: 'graceMsOf(pod) * 1000',
    killedBy: { specs: ['test/unit/pods/pod-end.spec.ts'] },
  },
  {
    name: 'the start time-out counts from the call',
    file: 'src/pods/pod-supervisor.ts',
    find: 'let scheduledAt: number | undefined;',
    replace: 'let scheduledAt: number | undefined = clock.now();',
    killedBy: supervisor,
  },
  {
    name: 'an unavailable API ends work on a pod',
    file: 'src/pods/pod-supervisor.ts',
    find: 'if (isRetryable(error)) return;',
    replace: '',
    killedBy: supervisor,
  },
];
