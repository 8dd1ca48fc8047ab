import type { RootHookObject } from 'mocha';
import sinon from 'sinon';

/**
 * Restores all that a test has stubbed, and releases its fakes. Sinon keeps every fake until then,
 * and warns after 10,000.
 */
export const mochaHooks: RootHookObject = {
  afterEach() {
    sinon.restore();
  },
};
