/**
 * The guarantees of the agent when it is stopped or fails at any call: every scenario, fault and
 * call.
 */
import { expect } from 'chai';

import { type DynamicAgent, needDynamicAgent } from '../../support/faults/dynamic-agent.ts';
import { faults, runMatrix } from '../../support/faults/matrix.ts';
import { scenarios } from '../../support/faults/scenarios/all.ts';

describe('the agent, with faults at every call', () => {
  let built: DynamicAgent;

  before(function () {
    built = needDynamicAgent(this);
  });

  const counts: string[] = [];

  for (const { name, load } of scenarios)
    for (const fault of faults)
      it(`keeps its guarantees in ${name} with ${fault.name}`, async function () {
        this.timeout(900_000);
        const scenario = await load(built);
        const { places, broken } = await runMatrix(built, scenario, fault);
        await scenario.close?.();
        counts.push(`${name} × ${fault.name}: ${places} calls`);
        if (broken.length > 0)
          expect.fail(`${broken.length} of ${places}, the first:\n${broken.slice(0, 8).join('\n')}`);
      });

  after(() => {
    for (const line of counts) console.log(`      ${line}`);
  });
});
