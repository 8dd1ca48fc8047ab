import { expect } from 'chai';

import { TooManyRequestsError } from '../../../src/errors/cluster.ts';
import { RetryPace } from '../../../src/retry/retry-pace.ts';
import { rejection } from '../../support/rejection.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('RetryPace', () => {
  let clock: VirtualClock;
  let pace: RetryPace;

  beforeEach(() => {
    clock = new VirtualClock();
    pace = new RetryPace({ clock, budgetMs: 10_000, backoff: { firstMs: 1_000, longestMs: 4_000 } });
  });

  /** Returns the number of tries until the budget is spent, if each takes `takesMs`. */
  async function triesOf(takesMs: number): Promise<number> {
    for (let tries = 0; ; tries += 1) {
      const waiting = pace.wait(new Error('no'), {});
      let retries: boolean | undefined;
      void waiting.then((value) => (retries = value));
      await settle();
      while (retries === undefined) await clock.advance(100);
      if (!(await waiting)) return tries;
      await clock.advance(takesMs);
    }
  }

  it('allows retries for its time, whatever their number', async () => {
    expect(await triesOf(0)).to.be.within(4, 8);
  });

  it('counts the duration of the tries', async () => {
    expect(await triesOf(8_000)).to.equal(2);
  });

  it('is restored by progress', async () => {
    await triesOf(8_000);
    pace.renew();
    expect(await triesOf(8_000)).to.equal(2);
  });

  it('is not spent at once by a suspended machine', async () => {
    pace = new RetryPace({ clock, budgetMs: 150_000, backoff: { firstMs: 1, longestMs: 1 } });
    expect(await triesOf(10_000_000)).to.equal(3);
  });

  it('waits for the retry-after time of the failure', async () => {
    const facts = { verb: 'create', resource: 'pods/exec', namespace: 'n' };
    let waited = false;
    void pace.wait(new TooManyRequestsError(facts, 7_000), {}).then(() => (waited = true));
    await clock.advance(6_900);
    expect(waited).to.equal(false);
    await clock.advance(200);
    expect(waited).to.equal(true);
  });

  it('waits at most ten seconds if the failure requests more', async () => {
    pace = new RetryPace({ clock, backoff: { firstMs: 1_000, longestMs: 4_000 } });
    const facts = { verb: 'create', resource: 'pods/exec', namespace: 'n' };
    let waited = false;
    void pace.wait(new TooManyRequestsError(facts, 600_000)).then(() => (waited = true));
    await clock.advance(9_900);
    expect(waited).to.equal(false);
    await clock.advance(200);
    expect(waited).to.equal(true);
  });

  it('takes the limit of the latest failure', async () => {
    const brief = new Error('brief');
    const budgetMs = (failure: unknown): number => (failure === brief ? 0 : 10_000);
    pace = new RetryPace({ clock, budgetMs, backoff: { firstMs: 10, longestMs: 10 } });
    const waiting = pace.wait(new Error('other'));
    await clock.advance(10);
    expect(await waiting).to.equal(true);
    expect(await pace.wait(brief)).to.equal(false);
  });

  it('rejects with the reason of the signal', async () => {
    const stop = new AbortController();
    const waiting = rejection(pace.wait(new Error('no'), { signal: stop.signal }));
    const reason = new Error('stopped');
    stop.abort(reason);
    expect(await waiting).to.equal(reason);
    expect(clock.sleeping).to.equal(0);
  });
});
