import type { Mutant } from '../../../scripts/mutant.ts';

const check = { specs: ['test/unit/checks/check-worker.spec.ts'] };

/** Changes of `src/checks` that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'the pod of a check stays',
    file: 'src/checks/check-worker.ts',
    find: 'await store.delete(location);',
    replace: '',
    killedBy: check,
  },
  {
    name: 'a missing permission is a warning',
    file: 'src/checks/check-permissions.ts',
    find: "outcome: 'failure' };",
    replace: "outcome: 'warning' };",
    killedBy: check,
  },
];
