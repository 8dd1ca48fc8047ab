/** A sample of `faults.spec.ts`, short enough for each mutant of the agent and for the sanitizers. */
import { expect } from 'chai';

import { type DynamicAgent, needDynamicAgent } from '../../support/faults/dynamic-agent.ts';
import { faults, runMatrix } from '../../support/faults/matrix.ts';
import { scenarios } from '../../support/faults/scenarios/all.ts';

const sampled = faults.filter(({ name }) => name === 'crash' || name === 'cut');
const STEP = 9;

describe('the agent, with faults at some calls', () => {
  let built: DynamicAgent;

  before(function () {
    built = needDynamicAgent(this);
  });

  for (const { name, load } of scenarios)
    it(`keeps its guarantees in ${name}`, async () => {
      const scenario = await load(built);
      for (const fault of sampled) {
        const { places, broken } = await runMatrix(built, scenario, fault, { first: 4, step: STEP });
        expect(places).to.be.greaterThan(0);
        expect(broken).to.deep.equal([]);
      }
      await scenario.close?.();
    });
});
