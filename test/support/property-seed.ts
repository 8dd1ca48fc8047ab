import fc from 'fast-check';

import { testSeed } from './seeded-random.ts';

// Properties try the same values in each run, and those of `KW_SEED` in `npm run test:shuffled`.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: testSeed() });
