import type { RootHookObject, Suite } from 'mocha';

import { seededRandom } from './seeded-random.ts';

/** Returns the items in a random order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const rest = [...items];
  const order: T[] = [];
  while (rest.length > 0) order.push(...rest.splice(Math.floor(random() * rest.length), 1));
  return order;
}

function shuffle(suite: Suite, random: () => number): void {
  suite.suites = shuffled(suite.suites, random);
  suite.tests = shuffled(suite.tests, random);
  for (const child of suite.suites) shuffle(child, random);
}

/** With `KW_SEED`, shuffles the suites and tests of each spec file by that seed. */
export const mochaHooks: RootHookObject = {
  beforeAll(this: Mocha.Context) {
    const seed = process.env['KW_SEED'];
    const root = this.test?.parent;
    if (seed !== undefined && root !== undefined) shuffle(root, seededRandom(Number(seed)));
  },
};
