/** Changes of the library's sources that a test has to notice. */
import type { Mutant } from '../../scripts/mutant.ts';

export const mutants: readonly Mutant[] = [];
