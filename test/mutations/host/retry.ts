import type { Mutant } from '../../../scripts/mutant.ts';

const pace = { specs: ['test/unit/retry/retry-pace.spec.ts'] };

/** Changes of `src/retry` that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'retries never end',
    file: 'src/retry/retry-pace.ts',
    find: 'if (leftMs <= 0) return false;',
    replace: '',
    killedBy: { specs: ['test/unit/retry/retry.spec.ts'] },
  },
  {
    name: 'a server delays a retry for as long as it wants',
    file: 'src/retry/retry-pace.ts',
    find: 'Math.min(retryAfterMs(failure) ?? 0, longestRetryAfterMs)',
    replace: 'retryAfterMs(failure) ?? 0',
    killedBy: pace,
  },
  {
    name: 'a suspended machine spends the whole budget',
    file: 'src/retry/retry-pace.ts',
    find: 'Math.min(Math.max(0, now - this.#lastAt), longestStepMs)',
    replace: 'Math.max(0, now - this.#lastAt)',
    killedBy: pace,
  },
];
