import { expect } from 'chai';
import fc from 'fast-check';

import type { StreamingInput } from '../../../../src/runtime/step-progress.ts';
import { InputProgress } from '../../../../src/worker/creation/input-progress.ts';

const input = { path: '/in', handle: 'a-1', inputNumber: 1, inputCount: 2 };

describe('InputProgress', () => {
  let now: number;
  let reports: Omit<StreamingInput, 'kind'>[];

  const progressOf = (estimatedBytes?: number): InputProgress<typeof input> =>
    new InputProgress({
      input,
      estimatedBytes,
      clock: { now: () => now },
      report: (facts) => void reports.push(facts),
    });

  beforeEach(() => {
    now = 1_000;
    reports = [];
  });

  it('reports the start with 0 bytes, and the end with the exact size', () => {
    const progress = progressOf(90);
    progress.begin();
    progress.complete(100);
    expect(reports).to.deep.equal([
      { ...input, receivedBytes: 0, totalBytes: 90, isComplete: false },
      { ...input, receivedBytes: 100, totalBytes: 100, isComplete: true },
    ]);
  });

  it('reports the bytes at most twice a second, however often they grow', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 700 }), { maxLength: 50 }), (pauses) => {
        reports = [];
        const startedAt = now;
        const times: number[] = [];
        const progress = new InputProgress({
          input,
          estimatedBytes: undefined,
          clock: { now: () => now },
          report: () => void times.push(now),
        });
        progress.begin();
        for (const [index, pauseMs] of pauses.entries()) {
          now += pauseMs;
          progress.received(index + 1);
        }
        expect(times.length).to.be.at.most(1 + (now - startedAt) / 500);
        for (const [index, at] of times.slice(1).entries()) expect(at - times[index]!).to.be.at.least(500);
      }),
    );
  });

  it('reports the bytes after half a second', () => {
    const progress = progressOf();
    progress.begin();
    now += 499;
    progress.received(10);
    now += 1;
    progress.received(11);
    expect(reports.map(({ receivedBytes }) => receivedBytes)).to.deep.equal([0, 11]);
  });

  it('reports the lower number of bytes after a restart of the transfer', () => {
    const progress = progressOf();
    progress.begin();
    for (const bytes of [20, 5]) {
      now += 500;
      progress.received(bytes);
    }
    expect(reports.map(({ receivedBytes }) => receivedBytes)).to.deep.equal([0, 20, 5]);
  });

  it('drops an estimate that the received bytes exceed', () => {
    const progress = progressOf(10);
    progress.begin();
    now += 500;
    progress.received(11);
    expect(reports.map(({ totalBytes }) => totalBytes)).to.deep.equal([10, undefined]);
  });

  it('continues after the clock was set back', () => {
    const progress = progressOf();
    progress.begin();
    now -= 60_000;
    progress.received(10);
    expect(reports.map(({ receivedBytes }) => receivedBytes)).to.deep.equal([0, 10]);
  });

  it('reports nothing after the end', () => {
    const progress = progressOf();
    progress.begin();
    progress.complete(100);
    now += 500;
    progress.received(100);
    expect(reports).to.have.length(2);
  });
});
