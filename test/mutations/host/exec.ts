import type { Mutant } from '../../../scripts/mutant.ts';

/** Changes of `src/exec` that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'an aborted handshake keeps its connection to a proxy',
    file: 'src/exec/open-exec.ts',
    find: '    this.#aborted.abort();\n',
    replace: '',
    killedBy: { specs: ['test/integration/exec/proxy.spec.ts'], grep: 'leaves no socket' },
  },
];
