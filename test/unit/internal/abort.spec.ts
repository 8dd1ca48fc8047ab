import { getEventListeners } from 'node:events';

import { expect } from 'chai';

import { abortable, abortReason } from '../../../src/internal/abort.ts';
import { rejection } from '../../support/rejection.ts';

describe('abortable', () => {
  const stop = new AbortController();
  const reason = new Error('stopped');

  it('settles like the promise, and releases the signal', async () => {
    expect(await abortable(Promise.resolve(7), stop.signal)).to.equal(7);
    expect(await rejection(abortable(Promise.reject(reason), stop.signal))).to.equal(reason);
    expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
  });

  it("rejects with the signal's own reason if it aborts first, and ignores later errors of the work", async () => {
    const aborted = new AbortController();
    const work = Promise.withResolvers<never>();
    const result = rejection(abortable(work.promise, aborted.signal));
    aborted.abort(reason);
    expect(await result).to.equal(reason);
    work.reject(new Error('too late'));
    expect(getEventListeners(aborted.signal, 'abort')).to.deep.equal([]);
  });

  it('rejects at once if the signal was aborted before', async () => {
    expect(await rejection(abortable(new Promise(() => undefined), AbortSignal.abort(reason)))).to.equal(reason);
  });

  it('rejects with a reason that is not an error', async () => {
    let caught: unknown;
    await abortable(new Promise(() => undefined), AbortSignal.abort('why')).catch((error: unknown) => (caught = error));
    expect(caught).to.equal('why');
    expect(abortReason(AbortSignal.abort('why')))
      .to.be.instanceOf(Error)
      .with.property('cause', 'why');
  });
});
