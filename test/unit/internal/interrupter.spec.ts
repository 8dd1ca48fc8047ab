import { expect } from 'chai';

import { Interrupter } from '../../../src/internal/interrupter.ts';
import { rejection } from '../../support/rejection.ts';

describe('an interrupter', () => {
  const reason = new Error('stopped');

  it('gives what the promise gives', async () => {
    const interrupter = new Interrupter();
    expect(await interrupter.wait(Promise.resolve(1))).to.equal(1);
    expect(await rejection(interrupter.wait(Promise.reject(reason)))).to.equal(reason);
  });

  it('ends the present wait and all later ones, and ignores what they would have failed with', async () => {
    const interrupter = new Interrupter();
    const work = Promise.withResolvers<never>();
    const waiting = rejection(interrupter.wait(work.promise));
    interrupter.interrupt(reason);
    interrupter.interrupt(new Error('again'));
    expect(await waiting).to.equal(reason);
    work.reject(new Error('too late'));
    expect(await rejection(interrupter.wait(Promise.reject(new Error('ignored'))))).to.equal(reason);
    expect(interrupter.interrupted).to.equal(true);
    expect(() => interrupter.throwIfInterrupted()).to.throw(reason);
  });
});
