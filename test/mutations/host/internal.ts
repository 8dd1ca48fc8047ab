import type { Mutant } from '../../../scripts/mutant.ts';

const timer = { specs: ['test/unit/internal/timer.spec.ts'] };

/** Changes of `src/internal` that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a long delay ends at once',
    file: 'src/internal/timer.ts',
    find: 'const partMs = Math.min(leftMs, longestPartMs);',
    replace: `const partMs = leftMs > longestPartMs ? 1 : leftMs;
    if (partMs === 1) leftMs = 1;`,
    killedBy: timer,
  },
  {
    name: 'the children of a hung plug-in survive',
    file: 'src/internal/run-program.ts',
    find: "process.kill(-child.pid, 'SIGKILL');",
    replace: "process.kill(child.pid, 'SIGKILL');",
    killedBy: { specs: ['test/long/kubernetes/credential-plugins.spec.ts'], grep: 'that hangs is killed' },
  },
];
