/** Changes of the agent's C sources that a test has to notice. The specs run a build for this machine. */
import type { Mutant } from '../../scripts/mutant.ts';

export const mutants: readonly Mutant[] = [
  {
    name: 'an upload with another digest is committed',
    file: 'agent/src/streams.c',
    find: 'if (memcmp(digest, end->digest, sizeof digest) != 0)',
    replace: 'if (false)',
    killedBy: { specs: ['test/integration/agent/transfer.spec.ts'] },
  },
];
