import { expect } from 'chai';

import { ApiError, ApiUnavailableError } from '../../../src/errors/cluster.ts';
import { type RetryOptions, retry, waitIfRetryable } from '../../../src/retry/retry.ts';
import { RetryPace } from '../../../src/retry/retry-pace.ts';
import { rejection } from '../../support/rejection.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const facts = { verb: 'get', resource: 'pods', namespace: 'n' };
const unavailable = new ApiUnavailableError(facts, 'no response', undefined);
const refused = new ApiError(facts, 'refused', { status: 422, reason: undefined });

describe('retry', () => {
  let clock: VirtualClock;
  let pace: RetryPace;
  let runs: number[];

  beforeEach(() => {
    clock = new VirtualClock(0);
    pace = new RetryPace({ clock, backoff: { firstMs: 100, longestMs: 100 }, budgetMs: 10_000 });
    runs = [];
  });

  afterEach(() => {
    expect(clock.sleeping, 'timers left').to.equal(0);
  });

  /** Runs work that fails with these errors in order, and then succeeds. */
  function run(failures: readonly Error[], options: Partial<RetryOptions> = {}): Promise<string> {
    const left = [...failures];
    const work = async (): Promise<string> => {
      runs.push(clock.now());
      const failure = left.shift();
      if (failure !== undefined) throw failure;
      return 'done';
    };
    const result = retry(work, { pace, decide: waitIfRetryable, ...options });
    result.catch(() => undefined);
    return result;
  }

  it('waits between the tries, and returns the first result', async () => {
    const result = run([unavailable, unavailable]);
    await clock.advance(200);
    expect(await result).to.equal('done');
    expect(runs).to.have.length(3);
    expect(runs[1]).to.be.within(50, 100);
  });

  it('retries without a wait if the caller decides so', async () => {
    expect(await run([unavailable, refused], { decide: () => 'at once' })).to.equal('done');
    expect(runs).to.deep.equal([0, 0, 0]);
  });

  it('rejects with the error that the caller throws', async () => {
    const final = new Error('final');
    const decide = async (): Promise<'wait'> => {
      throw final;
    };
    expect(await rejection(run([unavailable], { decide }))).to.equal(final);
    expect(await rejection(run([refused]))).to.equal(refused);
    expect(runs).to.have.length(2);
  });

  it('rejects with the last failure when the budget is spent', async () => {
    const result = run(Array.from({ length: 1_000 }, () => unavailable));
    await clock.advance(20_000);
    expect(await rejection(result)).to.equal(unavailable);
    expect(runs.at(-1)).to.be.within(9_800, 10_000);
  });

  it('ends a wait early', async () => {
    const woken = Promise.withResolvers<void>();
    const result = run([unavailable], { until: () => woken.promise });
    await settle();
    expect(runs).to.have.length(1);
    woken.resolve();
    expect(await result).to.equal('done');
    await clock.advance(100);
  });

  it('rejects with the reason of its signal, before a try and during a wait', async () => {
    const stop = new AbortController();
    const reason = new Error('stopped');
    const result = run([unavailable], { signal: stop.signal });
    await settle();
    stop.abort(reason);
    expect(await rejection(result)).to.equal(reason);
    expect(await rejection(run([], { signal: stop.signal }))).to.equal(reason);
    expect(runs).to.have.length(1);
  });
});
