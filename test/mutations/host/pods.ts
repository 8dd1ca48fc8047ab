import type { Mutant } from '../../../scripts/mutant.ts';

const launcher = { specs: ['test/unit/pods/pod-launcher.spec.ts'] };
const logs = { specs: ['test/unit/pods/pod-logs.spec.ts'] };
const supervisor = { specs: ['test/unit/pods/pod-supervisor.spec.ts'] };
const quotaQueue = { specs: ['test/unit/pods/quota-queue.spec.ts'] };
const quotaLine = { specs: ['test/unit/pods/quota-line.spec.ts'] };
const progress = { specs: ['test/unit/pods/start-progress.spec.ts'] };
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
    find: 'budgetMs: timeouts.startMs }',
    replace: 'budgetMs: -1 }',
    killedBy: launcher,
  },
  {
    name: 'an exhausted quota is not retried',
    file: 'src/pods/quota-queue.ts',
    find: 'if (error instanceof QuotaExceededError) return { refusal: error };',
    replace: '',
    killedBy: launcher,
  },
  {
    name: 'a run of a sidecar between two requests comes late',
    file: 'src/pods/pod-logs.ts',
    find: `          yield* readPrevious();
          seen.restart();
`,
    replace: '',
    killedBy: logs,
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
    name: 'the start time-out has expired when the pod gets a node',
    file: 'src/pods/pod-supervisor.ts',
    find: 'const scheduledAt = clock.now();',
    replace: 'const scheduledAt = clock.now() - timeouts.startMs;',
    killedBy: supervisor,
  },
  {
    name: 'execs slow down the start of many pods',
    file: 'src/pods/pod-supervisor.ts',
    find: 'const starting = this.#starting;',
    replace: 'const starting = 1;',
    killedBy: supervisor,
  },
  {
    name: 'each pod that waits asks for the config map',
    file: 'src/pods/agent-delivery.ts',
    find: 'this.#restoring.set(architecture, restoring);',
    replace: '',
    killedBy: { specs: ['test/unit/pods/agent-delivery.spec.ts'] },
  },
  {
    name: 'an unavailable API ends work on a pod',
    file: 'src/pods/pod-supervisor.ts',
    find: 'if (isRetryable(error)) return;',
    replace: '',
    killedBy: supervisor,
  },
  {
    name: 'an event that comes too late for the order is reported',
    file: 'src/pods/start-progress.ts',
    find: 'if (this.#isOver || rank < this.#rank) return;',
    replace: 'if (this.#isOver) return;',
    killedBy: progress,
  },
  {
    name: 'an event is repeated',
    file: 'src/pods/start-progress.ts',
    find: 'if (rankOf[facts.kind] !== this.#rank) this.#emit(facts);',
    replace: 'this.#emit(facts);',
    killedBy: progress,
  },
  {
    name: 'an event is reported after the end of its try',
    file: 'src/pods/start-progress.ts',
    find: 'if (this.#isOver || rank < this.#rank) return;',
    replace: 'if (rank < this.#rank) return;',
    killedBy: progress,
  },
  {
    name: 'an image of which nothing is known is reported as pulled',
    file: 'src/kubernetes/pod-state/image-state.ts',
    find: "return hasExisted(status) ? 'present'",
    replace: "return hasExisted(status) || status.state?.waiting === undefined ? 'present'",
    killedBy: { specs: ['test/unit/kubernetes/image-state.spec.ts'] },
  },
  {
    name: 'a pod that waits for quota is not reported',
    file: 'src/pods/pod-launcher.ts',
    find: '      waitingForQuota?.(refusal.message, queued);\n',
    replace: '',
    killedBy: launcher,
  },
  {
    name: 'a command for an earlier container reaches the later pod of its name',
    file: 'src/pods/exec-agent.ts',
    find: 'if (owner === undefined || owner === handle) return;',
    replace: "if (owner !== '') return;",
    killedBy: { specs: ['test/unit/pods/exec-agent.spec.ts'] },
  },
  {
    name: 'the pod of another container is adopted',
    file: 'src/pods/pod-launcher.ts',
    find: 'throw this.#taken(podName, conflict);',
    replace: 'return uidOf(existing);',
    killedBy: launcher,
  },
  {
    name: 'the clients of two containers with one pod name are the same',
    file: 'src/pods/agent-pool.ts',
    find: 'const key = `${podName} ${handle}`;',
    replace: 'const key = podName;',
    killedBy: pool,
  },
  {
    name: 'the pod of another handle is deleted',
    file: 'src/pods/pod-remover.ts',
    find: "return markOf(pod?.metadata, 'handle') === handle ? pod?.metadata?.uid : undefined;",
    replace: 'return handle === podName ? undefined : pod?.metadata?.uid;',
    killedBy: { specs: ['test/unit/pods/pod-remover.spec.ts'] },
  },
  {
    name: 'a worker that must not create the config map creates it',
    file: 'src/pods/agent-delivery.ts',
    find: "if (mode === 'existing') throw",
    replace: 'if (mode === undefined) throw',
    killedBy: { specs: ['test/unit/pods/agent-delivery.spec.ts'] },
  },
  {
    name: 'a wait for quota spends the time of an unavailable API',
    file: 'src/pods/pod-launcher.ts',
    find: '      pace.renew();\n',
    replace: '',
    killedBy: launcher,
  },
  {
    name: 'a creation overtakes those that wait for quota',
    file: 'src/pods/quota-queue.ts',
    find: 'const latest = this.#line.length > 0 ? this.#latestRefusal : undefined;',
    replace: 'const latest = this.#line.length < 0 ? this.#latestRefusal : undefined;',
    killedBy: quotaQueue,
  },
  {
    name: 'the queue for quota has no bound',
    file: 'src/pods/quota-queue.ts',
    find: 'if (this.#line.length >= maxWaiting)',
    replace: 'if (this.#line.length < 0)',
    killedBy: quotaQueue,
  },
  {
    name: 'a creation that leaves the queue for quota keeps its turn',
    file: 'src/pods/quota-queue.ts',
    find: '    this.#line.leave(creation);\n    creation.endTurn();\n',
    replace: '    this.#line.leave(creation);\n',
    killedBy: quotaQueue,
  },
  {
    name: 'a success in the queue for quota does not shorten the waits',
    file: 'src/pods/quota-queue.ts',
    find: '    this.#rounds = 0;\n    this.#wait?.abort();\n',
    replace: '    this.#wait?.abort();\n',
    killedBy: quotaQueue,
  },
  {
    name: 'a creation waits for quota longer than its limit',
    file: 'src/pods/quota-queue.ts',
    find: 'if (this.#late.signal.aborted) throw refusal;',
    replace: '',
    killedBy: quotaQueue,
  },
  {
    name: 'the queue for quota is in the order of the refusals',
    file: 'src/pods/quota-line.ts',
    find: '.findLastIndex(({ arrival }) => arrival < member.arrival) + 1;',
    replace: '.length;',
    killedBy: quotaLine,
  },
  {
    name: 'small pods wait behind a large one without room',
    file: 'src/pods/quota-line.ts',
    find: 'if (this.#dueTurns < 1) return undefined;',
    replace: 'if (this.#dueTurns >= 0) return undefined;',
    killedBy: quotaLine,
  },
  {
    name: 'the same one of the others has all turns',
    file: 'src/pods/quota-line.ts',
    find: 'this.#lastArrival = other?.arrival ?? -1;',
    replace: '',
    killedBy: quotaLine,
  },
];
