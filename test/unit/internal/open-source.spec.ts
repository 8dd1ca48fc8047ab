import { Readable } from 'node:stream';

import { expect } from 'chai';

import { openSource } from '../../../src/internal/open-source.ts';
import { rejection } from '../../support/rejection.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('openSource', () => {
  it('returns what the source opens', async () => {
    const opened = Readable.from([]);
    expect(await openSource(() => opened, undefined)).to.equal(opened);
    expect(await openSource(async () => opened, new AbortController().signal)).to.equal(opened);
  });

  it('rejects with the error of a source that throws, at once or later', async () => {
    const broken = new Error('broken');
    const throwing = (): Readable => {
      throw broken;
    };
    expect(await rejection(openSource(throwing, undefined))).to.equal(broken);
    expect(await rejection(openSource(async () => throwing(), new AbortController().signal))).to.equal(broken);
  });

  it('rejects with the reason of the signal, and destroys what the source opens later', async () => {
    const opening = Promise.withResolvers<Readable>();
    const abort = new AbortController();
    const opened = openSource(() => opening.promise, abort.signal);
    const reason = new Error('enough');
    abort.abort(reason);
    expect(await rejection(opened)).to.equal(reason);
    const late = new Readable({ read: () => {}, destroy: (_error, done) => done(new Error('late')) });
    opening.resolve(late);
    await settle();
    expect(late.destroyed).to.equal(true);
  });
});
