import { PassThrough } from 'node:stream';

import { expect } from 'chai';
import sinon from 'sinon';

import type { CliOutput } from '../../../../../src/service/cli/cli-context.ts';
import { withProgress } from '../../../../../src/service/cli/copy/progress.ts';
import { barLine, bytesText, durationText, plainLine } from '../../../../../src/service/cli/copy/progress-line.ts';
import { TransferRate, type TransferState } from '../../../../../src/service/cli/copy/transfer-rate.ts';

const mebibyte = 1024 * 1024;

describe('the rate of a transfer', () => {
  it('is that of the last seconds', () => {
    let now = 0;
    const rate = new TransferRate(undefined, () => now);
    expect(rate.sample().bytesPerSecond).to.equal(undefined);
    for (now = 1000; now <= 10_000; now += 1000) {
      rate.add(now <= 5000 ? 100 : 1000);
      rate.sample();
    }
    now = 11_000;
    rate.add(1000);
    expect(rate.sample()).to.deep.equal({
      bytes: 6500,
      totalBytes: undefined,
      bytesPerSecond: 1000,
      elapsedMs: 11_000,
    });
  });

  it('begins again with the transfer', () => {
    let now = 0;
    const rate = new TransferRate(100, () => now);
    rate.sample();
    rate.add(80);
    now = 1000;
    rate.sample();
    rate.restart();
    expect(rate.sample()).to.deep.equal({ bytes: 0, totalBytes: 100, bytesPerSecond: undefined, elapsedMs: 1000 });
  });

  it('has no total that was exceeded', () => {
    const rate = new TransferRate(100, () => 0);
    rate.add(101);
    expect(rate.sample().totalBytes).to.equal(undefined);
  });
});

describe('the progress of a transfer', () => {
  const state: TransferState = {
    bytes: 10 * mebibyte,
    totalBytes: 40 * mebibyte,
    bytesPerSecond: 2 * mebibyte,
    elapsedMs: 61_000,
  };

  it('is a bar with bytes, rate and time left', () => {
    expect(barLine(state, 100)).to.equal(' 25% [#####---------------]  10.0 MiB of 40.0 MiB  2.0 MiB/s  ETA 0:15');
    expect(barLine({ ...state, totalBytes: 0, bytes: 0 }, 100)).to.match(/^100% \[#{20}\]/);
  });

  it('has no bar if the total is unknown', () => {
    expect(barLine({ ...state, totalBytes: undefined }, 100)).to.equal('10.0 MiB  2.0 MiB/s  1:01');
  });

  it('fits into a narrow terminal', () => {
    expect(barLine(state, 20)).to.have.length(20);
  });

  it('is a plain line elsewhere', () => {
    expect(plainLine(state)).to.equal('10.0 MiB of 40.0 MiB, 2.0 MiB/s, 0:15 left');
    expect(plainLine({ ...state, totalBytes: undefined, bytesPerSecond: undefined })).to.equal('10.0 MiB');
    expect(plainLine({ ...state, bytesPerSecond: 0 })).to.equal('10.0 MiB of 40.0 MiB, 0 B/s');
  });

  it('has units', () => {
    expect([0, 1023, 1024, 1536, mebibyte, 1024 ** 5 * 3].map(bytesText)).to.deep.equal([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '1.0 MiB',
      '3072.0 TiB',
    ]);
    expect([0, 59_600, 3_599_000, 3_600_000, 90_061_000].map(durationText)).to.deep.equal([
      '0:00',
      '1:00',
      '59:59',
      '1:00:00',
      '25:01:01',
    ]);
  });
});

describe('the display of progress', () => {
  let clock: sinon.SinonFakeTimers;
  let output: PassThrough & { isTTY?: boolean; columns?: number };
  const shown = (): string => String(output.read() ?? '');

  beforeEach(() => {
    clock = sinon.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    output = new PassThrough();
  });

  afterEach(() => {
    clock.restore();
  });

  /** Moves 1 KiB a second for some seconds. */
  const move = (seconds: number, isQuiet = false): Promise<void> =>
    withProgress(output as CliOutput, { totalBytes: 1024 * 20, isQuiet }, async (progress) => {
      for (let second = 0; second < seconds; second += 1) {
        progress.add(1024);
        await clock.tickAsync(1000);
      }
    });

  it('is a line every five seconds if the output is no terminal', async () => {
    await move(11);
    expect(shown()).to.equal('5.0 KiB of 20.0 KiB, 1.0 KiB/s, 0:15 left\n10.0 KiB of 20.0 KiB, 1.0 KiB/s, 0:10 left\n');
    expect(clock.countTimers()).to.equal(0);
  });

  it('is a bar in a terminal, of its width, that is removed at the end', async () => {
    [output.isTTY, output.columns] = [true, 30];
    await move(2);
    const pictures = shown().split('\r\x1b[K');
    expect(pictures).to.have.length.greaterThan(10);
    expect(Math.max(...pictures.map(({ length }) => length))).to.equal(29);
    expect(pictures.at(-1)).to.equal('');
  });

  it('is removed after a failure as well', async () => {
    output.isTTY = true;
    const failing = withProgress(output as CliOutput, { totalBytes: 1, isQuiet: false }, async () => {
      throw new Error('lost');
    });
    expect(await failing.catch((error: unknown) => String(error))).to.equal('Error: lost');
    expect([shown().endsWith('\r\x1b[K'), clock.countTimers()]).to.deep.equal([true, 0]);
  });

  it('is nothing if it is quiet', async () => {
    output.isTTY = true;
    await move(11, true);
    expect(shown()).to.equal('');
  });
});
