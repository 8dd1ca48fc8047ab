import type { Mutant } from '../../../scripts/mutant.ts';

/** Changes of `src/exec` that a test has to notice. */
export const mutants: readonly Mutant[] = [
  {
    name: 'an exec that is given up keeps its connection to a proxy',
    file: 'src/exec/open-exec.ts',
    find: '    this.#aborted.abort();\n',
    replace: '',
    killedBy: { specs: ['test/integration/exec/proxy.spec.ts'], grep: 'leaves no socket' },
  },
];
