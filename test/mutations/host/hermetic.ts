import type { Mutant } from '../../../scripts/mutant.ts';

const policy = { specs: ['test/unit/hermetic/egress-policy.spec.ts'] };
const guard = { specs: ['test/unit/hermetic/hermetic-guard.spec.ts'] };
const probe = { specs: ['test/unit/hermetic/reach-probe.spec.ts'] };
const pods = { specs: ['test/unit/hermetic/probe-pods.spec.ts'] };
const creation = { specs: ['test/unit/worker/creation/find-or-create-container.spec.ts'] };

/** Changes of `src/hermetic` and of its use that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a policy with rules isolates',
    file: 'src/hermetic/egress-policy.ts',
    find: 'if (permitsEgress({ spec })) return',
    replace: 'if (false) return',
    killedBy: policy,
  },
  {
    name: 'a later operator selects no pod',
    file: 'src/hermetic/egress-policy.ts',
    find: '// An operator of a later Kubernetes version: the policy may select the pod.\n      return true;',
    replace: 'return false;',
    killedBy: policy,
  },
  {
    name: 'other policies are not considered',
    file: 'src/hermetic/hermetic-guard.ts',
    find: 'if (permitting.length > 0)',
    replace: 'if (permitting.length > 99)',
    killedBy: guard,
  },
  {
    name: 'a refused connection counts as isolation',
    file: 'src/hermetic/hermetic-guard.ts',
    find: "if (outcome === 'unreachable') return;",
    replace: "if (outcome !== 'connected') return;",
    killedBy: guard,
  },
  {
    name: 'the control may be refused',
    file: 'src/hermetic/hermetic-guard.ts',
    find: "if (outcome === 'connected') return target;",
    replace: "if (outcome !== 'unreachable') return target;",
    killedBy: guard,
  },
  {
    name: 'the hermetic pod chooses its own target',
    file: 'src/hermetic/hermetic-guard.ts',
    find: 'this.#reachUntil(wanted, podName, ground.target,',
    replace: 'this.#reachUntil(wanted, podName, undefined,',
    killedBy: guard,
  },
  {
    name: 'a created policy is not verified',
    file: 'src/hermetic/hermetic-guard.ts',
    find: "if (problem !== undefined) throw this.#refusal('policy-differs'",
    replace: "if (false) throw this.#refusal('policy-differs'",
    killedBy: guard,
  },
  {
    name: 'an outcome for another target counts',
    file: 'src/hermetic/reach-probe.ts',
    find: '(target === undefined || isSame(target, result.target))',
    replace: 'true',
    killedBy: probe,
  },
  {
    name: 'an exit code alone counts as isolation',
    file: 'src/hermetic/reach-probe.ts',
    find: "return outcome === 'unreachable' && exitCode === 1 ?",
    replace: 'return exitCode === 1 ?',
    killedBy: probe,
  },
  {
    name: 'a probe pod that does not start keeps its owner',
    file: 'src/hermetic/probe-pods.ts',
    find: '  } finally {\n    await finish(owner, components);\n  }',
    replace: '  } finally {\n  }',
    killedBy: pods,
  },
  {
    name: 'inputs arrive before the isolation is proven',
    file: 'src/worker/creation/complete-container.ts',
    find: '  if (ground !== undefined) await hermetic.requireSealed(container, ground, options);\n',
    replace: '',
    killedBy: creation,
  },
  {
    name: 'every team may have privileged containers',
    file: 'src/worker/plan/privileged-teams.ts',
    find: 'if (team !== undefined && permitted.includes(team)) return;',
    replace: 'return;',
    killedBy: { specs: ['test/unit/worker/plan/privileged-teams.spec.ts'] },
  },
  {
    name: 'a hermetic container keeps its capabilities',
    file: 'src/kubernetes/pod-spec/pod-security.ts',
    find: "{ ...options, dropCapabilities: ['ALL'] }",
    replace: 'options',
    killedBy: { specs: ['test/unit/kubernetes/pod-spec.spec.ts'] },
  },
];
