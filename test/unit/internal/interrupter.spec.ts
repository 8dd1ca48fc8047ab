import { expect } from 'chai';

import { Interrupter } from '../../../src/internal/interrupter.ts';
import { rejection } from '../../support/rejection.ts';

describe('Interrupter', () => {
  const reason = new Error('stopped');

  it('settles like the promise', async () => {
    const interrupter = new Interrupter();
    expect(await interrupter.wait(Promise.resolve(1))).to.equal(1);
    expect(await rejection(interrupter.wait(Promise.reject(reason)))).to.equal(reason);
  });

  it('rejects the current wait and all later waits, and ignores their later errors', async () => {
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
