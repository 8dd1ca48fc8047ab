import { expect } from 'chai';

import { RetryBudget } from '../../../../src/agent-client/transfer/retry-budget.ts';
import { TooManyRequestsError } from '../../../../src/errors/cluster.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

describe('a retry budget', () => {
  let clock: VirtualClock;
  let budget: RetryBudget;

  beforeEach(() => {
    clock = new VirtualClock();
    budget = new RetryBudget({ clock, retryBudgetMs: 10_000, retryBackoff: { firstMs: 1_000, longestMs: 4_000 } });
  });

  /** How many tries there are until it is spent, each of which takes so long. */
  async function triesOf(takesMs: number): Promise<number> {
    for (let tries = 0; ; tries += 1) {
      const waiting = budget.wait(new Error('no'), {});
      let went: boolean | undefined;
      void waiting.then((value) => (went = value));
      await settle();
      while (went === undefined) await clock.advance(100);
      if (!(await waiting)) return tries;
      await clock.advance(takesMs);
    }
  }

  it('lets tries go on for its time, however many they are', async () => {
    expect(await triesOf(0)).to.be.within(4, 8);
  });

  it('counts the time that tries take', async () => {
    expect(await triesOf(8_000)).to.equal(2);
  });

  it('is whole again after a gain', async () => {
    await triesOf(8_000);
    budget.renew();
    expect(await triesOf(8_000)).to.equal(2);
  });

  it('is not spent at once by a machine that slept', async () => {
    budget = new RetryBudget({ clock, retryBudgetMs: 150_000, retryBackoff: { firstMs: 1, longestMs: 1 } });
    expect(await triesOf(10_000_000)).to.equal(3);
  });

  it('waits as long as whoever refuses wants', async () => {
    const facts = { verb: 'create', resource: 'pods/exec', namespace: 'n' };
    let went = false;
    void budget.wait(new TooManyRequestsError(facts, 7_000), {}).then(() => (went = true));
    await clock.advance(6_900);
    expect(went).to.equal(false);
    await clock.advance(200);
    expect(went).to.equal(true);
  });

  it('ends by the signal, with its reason', async () => {
    const stop = new AbortController();
    const waiting = rejection(budget.wait(new Error('no'), { signal: stop.signal }));
    const reason = new Error('stopped');
    stop.abort(reason);
    expect(await waiting).to.equal(reason);
    expect(clock.sleeping).to.equal(0);
  });
});
