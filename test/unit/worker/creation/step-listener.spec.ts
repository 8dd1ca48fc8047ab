import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger, FakeStepDelegate } from '../../../../fakes/index.ts';
import type { StepProgress } from '../../../../src/runtime/step-progress.ts';
import { stepListener } from '../../../../src/worker/creation/step-listener.ts';
import { settle } from '../../../support/virtual-clock.ts';

const common = { at: new Date(0), podName: 'pod' };
const quota = { ...common, kind: 'waiting-for-quota', message: 'the words of the quota', queued: 0 } as const;
const ready: StepProgress = { ...common, kind: 'ready' };

/** The host's mask. */
const mask = (text: string): string | undefined => (text === 'broken' ? undefined : text.replace('s3cret', '***'));

describe('stepListener', () => {
  let delegate: FakeStepDelegate;
  let logger: FakeLogger;

  beforeEach(() => {
    delegate = new FakeStepDelegate();
    logger = new FakeLogger();
  });

  it('passes each event to the delegate at once', () => {
    const listen = stepListener(delegate, { logger, mask }, {});
    listen(quota);
    sinon.assert.calledOnceWithExactly(delegate.progress, quota);
    listen(ready);
    sinon.assert.calledWithExactly(delegate.progress.secondCall, ready);
    sinon.assert.notCalled(logger.warn);
  });

  const unschedulable = { ...common, kind: 'unschedulable' } as const;
  const cacheLost = { ...common, kind: 'cache-lost', path: '/cache', handle: 'v' } as const;
  const messages = (): readonly unknown[] =>
    delegate.progress.args.map(([event]) => ('message' in event ? event.message : 'none'));

  it('masks the messages of events', () => {
    const listen = stepListener(delegate, { logger, mask }, {});
    for (const event of [quota, unschedulable, cacheLost]) listen({ ...event, message: 'a s3cret' });
    listen({ ...unschedulable, message: undefined });
    expect(messages()).to.deep.equal(['a ***', 'a ***', 'a ***', undefined]);
  });

  it('leaves out messages that cannot be masked', () => {
    const listen = stepListener(delegate, { logger, mask }, {});
    for (const event of [quota, unschedulable, cacheLost]) listen({ ...event, message: 'broken' });
    expect(messages()).to.deep.equal(['', undefined, '']);
  });

  it('does nothing without a delegate', () => {
    stepListener(undefined, { logger, mask }, {})(ready);
    sinon.assert.notCalled(logger.warn);
  });

  it('passes no event after an abort', () => {
    const abort = new AbortController();
    const listen = stepListener(delegate, { logger, mask }, { signal: abort.signal });
    abort.abort();
    listen(ready);
    sinon.assert.notCalled(delegate.progress);
  });

  it('does not wait for a promise that never settles', () => {
    delegate.progress.returns(new Promise(() => undefined));
    const listen = stepListener(delegate, { logger, mask }, {});
    listen(quota);
    listen(ready);
    sinon.assert.calledTwice(delegate.progress);
  });

  const failure = new Error('the listener is broken');
  const failures: readonly (readonly [what: string, fail: (delegate: FakeStepDelegate) => void])[] = [
    ['throws', ({ progress }) => void progress.throws(failure)],
    ['returns a promise that rejects', ({ progress }) => void progress.rejects(failure)],
    [
      'returns a thenable that throws',
      ({ progress }) =>
        void progress.returns({
          // biome-ignore lint/suspicious/noThenProperty: the subject of the test
          then: () => {
            throw failure;
          },
        } as unknown as Promise<void>),
    ],
  ];
  for (const [what, fail] of failures) {
    context(`when the delegate ${what}`, () => {
      beforeEach(() => fail(delegate));

      it('passes later events all the same', async () => {
        const listen = stepListener(delegate, { logger, mask }, {});
        listen(quota);
        await settle();
        listen(ready);
        await settle();
        sinon.assert.calledTwice(delegate.progress);
      });

      it("logs one warning, with the error and without the event's words", async () => {
        const listen = stepListener(delegate, { logger, mask }, {});
        listen(quota);
        await settle();
        listen(quota);
        await settle();
        sinon.assert.calledOnceWithExactly(logger.warn, 'step delegate failed', {
          kind: 'waiting-for-quota',
          podName: 'pod',
          error: failure,
        });
        expect(JSON.stringify(logger.warn.args)).to.not.include(quota.message);
      });
    });
  }
});
