import { expect } from 'chai';

import { SilenceWatch } from '../../../src/internal/silence-watch.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('SilenceWatch', () => {
  let clock: VirtualClock;
  let silences: number;
  let watch: SilenceWatch;

  beforeEach(() => {
    clock = new VirtualClock();
    silences = 0;
    watch = new SilenceWatch({ clock, limitMs: 8_000, silent: () => (silences += 1) });
  });

  it('reports each silence of the limit', async () => {
    await clock.advance(7_999);
    expect(silences).to.equal(0);
    await clock.advance(1);
    expect(silences).to.equal(1);
    await clock.advance(16_000);
    expect(silences).to.equal(3);
    watch.stop();
  });

  it('reports nothing while something happens in time', async () => {
    for (let turn = 0; turn < 20; turn += 1) {
      await clock.advance(7_500);
      watch.touch();
    }
    expect(silences).to.equal(0);
    await clock.advance(9_000);
    expect(silences).to.equal(1);
    watch.stop();
  });

  it('releases the clock when it is stopped', async () => {
    watch.stop();
    watch.stop();
    await settle();
    expect(clock.sleeping).to.equal(0);
    await clock.advance(100_000);
    expect(silences).to.equal(0);
  });
});
