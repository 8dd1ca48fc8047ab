import { expect } from 'chai';
import fc from 'fast-check';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { decodeCursor, encodeCursor } from '../../../src/repository/postgres/page-cursor.ts';

describe('the cursor of a page', () => {
  const times = fc.constantFrom(
    '2026-01-02T03:04:05+00:00',
    '2026-01-02T03:04:05.678901-09:30',
    '12026-01-02T03:04:05.6+05',
  );
  const ids = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

  it('returns the place that it was made from', () => {
    fc.assert(
      fc.property(times, ids, (createdAt, id) => {
        expect(decodeCursor('after', encodeCursor({ createdAt, id }))).to.deep.equal({ createdAt, id });
      }),
    );
  });

  it('is a text for URLs', () => {
    fc.assert(fc.property(times, ids, (createdAt, id) => /^[\w-]+$/.test(encodeCursor({ createdAt, id }))));
  });

  it('rejects every other text with the name of the field', () => {
    const json = fc.json().map((text) => Buffer.from(text).toString('base64url'));
    fc.assert(
      fc.property(fc.oneof(fc.string(), json), (text) => {
        expect(() => decodeCursor('after', text))
          .to.throw(InvalidSpecError)
          .with.property('field', 'after');
      }),
    );
  });
});
