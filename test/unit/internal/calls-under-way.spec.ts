import { getEventListeners } from 'node:events';

import { expect } from 'chai';

import { CallsUnderWay } from '../../../src/internal/calls-under-way.ts';
import { rejection } from '../../support/rejection.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('CallsUnderWay', () => {
  const closed = new Error('closed');
  /** Work that ends some time after its abort. */
  const slow = (ended: () => void, wait: Promise<void>) => async (signal: AbortSignal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    await wait;
    ended();
    throw signal.reason;
  };

  it('settles like the work', async () => {
    const calls = new CallsUnderWay();
    expect(await calls.run(async () => 'done', {})).to.equal('done');
    await calls.close(closed);
  });

  it('aborts the calls at close(), and waits until all have ended', async () => {
    const calls = new CallsUnderWay();
    const events: string[] = [];
    const wait = Promise.withResolvers<void>();
    const call = rejection(
      calls.run(
        slow(() => events.push('ended'), wait.promise),
        {},
      ),
    );
    const closing = calls.close(closed).then(() => events.push('closed'));
    await settle();
    expect(events).to.deep.equal([]);
    wait.resolve();
    await closing;
    expect(events).to.deep.equal(['ended', 'closed']);
    expect(await call).to.equal(closed);
  });

  it("aborts a call with the reason of the caller's signal, and leaves no listener on it", async () => {
    const calls = new CallsUnderWay();
    const abort = new AbortController();
    const call = rejection(
      calls.run(
        slow(() => {}, Promise.resolve()),
        { signal: abort.signal },
      ),
    );
    const reason = new Error('enough');
    abort.abort(reason);
    expect(await call).to.equal(reason);
    expect(getEventListeners(abort.signal, 'abort')).to.have.length(0);
    await calls.close(closed);
  });
});
