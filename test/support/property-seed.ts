import fc from 'fast-check';

import { testSeed } from './seeded-random.ts';

// Properties try the same values in each run of `npm test`, and those of `KW_SEED` in
// `npm run test:shuffled`. A spec that wants new values in each run passes a seed of its own.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: testSeed() });
