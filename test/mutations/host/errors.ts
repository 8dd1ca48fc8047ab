import type { Mutant } from '../../../scripts/mutant.ts';

const causes = { specs: ['test/unit/errors/causes.spec.ts'] };

/** Changes of `src/errors` that a test has to notice. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a full quota is a missing right',
    file: 'src/errors/causes.ts',
    find: "  {\n    source: 'api',\n    statuses: ['403'],\n    words: ['exceeded quota', 'status unknown for quota'],\n    code: 'KW_ERR_QUOTA_EXCEEDED',\n    ...passing,\n  },",
    replace:
      "  { source: 'api', statuses: ['403'], words: ['no such words'], code: 'KW_ERR_QUOTA_EXCEEDED', ...passing },",
    killedBy: causes,
  },
  {
    name: "the socket of the container runtime is the program's file",
    file: 'src/errors/causes.ts',
    find: `  { source: 'exec', words: [...runtimeIsAway, ...runtimeIsSlow], code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', ...passing },
`,
    replace: '',
    killedBy: causes,
  },
];
