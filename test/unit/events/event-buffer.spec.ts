import { expect } from 'chai';
import fc from 'fast-check';

import { EventBuffer } from '../../../src/events/event-buffer.ts';

describe('EventBuffer', () => {
  it('delivers or counts every event, in order, and holds no more than its size', async () => {
    const steps = fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant('push') }, fc.constant('take')), {
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), steps, async (size, given) => {
        const buffer = new EventBuffer({ size, ended: () => {} });
        let pushed = 0;
        let seen = 0;
        let waiting = 0;
        const take = async (): Promise<boolean> => {
          const { value, done } = await buffer.next();
          if (done === true) return false;
          if (value.kind === 'overflow') {
            expect(value.dropped).to.be.greaterThan(0);
            seen += value.dropped;
          } else {
            expect(value).to.include({ kind: 'artifact-expired', handle: String(seen) });
            seen += 1;
            waiting -= 1;
          }
          return true;
        };
        for (const step of given) {
          if (step === 'push') {
            buffer.push({ kind: 'artifact-expired', handle: String(pushed), at: new Date(pushed) });
            pushed += 1;
            waiting = Math.min(size, waiting + 1);
          } else if (seen < pushed) await take();
        }
        buffer.end();
        const held = waiting;
        let delivered = 0;
        for (let before = waiting; await take(); before = waiting) delivered += before - waiting;
        expect(delivered).to.equal(held);
        expect(seen).to.equal(pushed);
      }),
      { numRuns: 100 },
    );
  });
});
