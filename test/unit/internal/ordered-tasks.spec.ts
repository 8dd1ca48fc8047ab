import { expect } from 'chai';
import fc from 'fast-check';

import { OrderedTasks } from '../../../src/internal/ordered-tasks.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('OrderedTasks', () => {
  it('delivers a synchronous result within the call', () => {
    const taken: number[] = [];
    const order = new OrderedTasks<number>({
      concurrency: 1,
      take: (result) => void taken.push(result),
      failed: () => undefined,
    });
    order.add(() => 1);
    expect(taken).to.deep.equal([1]);
    expect(order.size).to.equal(0);
  });

  it('delivers the results in the order of the work, and never runs more than allowed, in any order of completion', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.boolean(), { maxLength: 20 }),
        fc.integer({ min: 1, max: 4 }),
        async (scheduler, kinds, concurrency) => {
          const taken: number[] = [];
          let running = 0;
          let most = 0;
          const order = new OrderedTasks<number>({
            concurrency,
            take: (result) => void taken.push(result),
            failed: () => undefined,
          });
          for (const [index, later] of kinds.entries()) {
            order.add(() => {
              if (!later) return index;
              running += 1;
              most = Math.max(most, running);
              return scheduler.schedule(Promise.resolve()).then(() => {
                running -= 1;
                return index;
              });
            });
          }
          const done = order.whenAtMost(0);
          await scheduler.waitFor(done);
          expect(taken).to.deep.equal([...kinds.keys()]);
          expect(most).to.be.at.most(concurrency);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('delivers the next result only after the last was handled', async () => {
    const releases: (() => void)[] = [];
    const taken: number[] = [];
    const order = new OrderedTasks<number>({
      concurrency: 2,
      take: (result) => {
        taken.push(result);
        return new Promise<void>((resolve) => releases.push(resolve));
      },
      failed: () => undefined,
    });
    for (const result of [1, 2, 3]) order.add(() => result);
    expect(taken).to.deep.equal([1]);
    let reached = false;
    void order.whenAtMost(1).then(() => (reached = true));
    releases.shift()?.();
    await settle();
    expect(taken).to.deep.equal([1, 2]);
    expect(reached).to.equal(false);
    releases.shift()?.();
    await settle();
    expect(reached).to.equal(true);
    expect(order.size).to.equal(1);
  });

  for (const [what, work, take] of [
    [
      'work that throws',
      () => {
        throw new Error('broken');
      },
      () => undefined,
    ],
    ['work that rejects', () => Promise.reject(new Error('broken')), () => undefined],
    [
      'a taker that throws',
      () => 1,
      () => {
        throw new Error('broken');
      },
    ],
    ['a taker that rejects', () => 1, () => Promise.reject(new Error('broken'))],
  ] as const) {
    it(`fails with ${what}, which is reported once`, async () => {
      const failures: unknown[] = [];
      let takenAfter = 0;
      const order = new OrderedTasks<number>({
        concurrency: 1,
        take: (result) => {
          if (result === 2) takenAfter += 1;
          return take();
        },
        failed: (error) => failures.push(error),
      });
      order.add(work);
      order.add(() => 2);
      await settle();
      order.add(() => 2);
      expect(failures).to.have.length(1);
      expect(failures[0]).to.be.instanceOf(Error).with.property('message', 'broken');
      expect(takenAfter).to.equal(0);
    });
  }

  it('discards everything when it is stopped', async () => {
    const taken: number[] = [];
    const order = new OrderedTasks<number>({
      concurrency: 1,
      take: (result) => void taken.push(result),
      failed: () => undefined,
    });
    order.add(() => Promise.resolve(1));
    order.add(() => 2);
    order.stop();
    await settle();
    expect(taken).to.deep.equal([]);
    expect(order.size).to.equal(0);
  });
});
