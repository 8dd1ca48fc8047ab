import { expect } from 'chai';
import fc from 'fast-check';

import { checkText, ownerDigest, toJson } from '../../../src/repository/postgres/input.ts';

const field = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return (error as { field?: unknown }).field;
  }
};

describe('checkText', () => {
  it('counts characters, not UTF-16 code units', () => {
    expect(field(() => checkText('name', '🚀'.repeat(10), 10))).to.equal(undefined);
    expect(field(() => checkText('name', '🚀'.repeat(11), 10))).to.equal('name');
  });
});

describe('ownerDigest', () => {
  it('differs for different owners', () => {
    const owner = fc.record({ kind: fc.string(), key: fc.string() });
    fc.assert(
      fc.property(owner, owner, (a, b) => {
        expect(ownerDigest(a) === ownerDigest(b)).to.equal(a.kind === b.kind && a.key === b.key);
      }),
    );
  });

  it('does not depend on the concatenation of kind and key alone', () => {
    expect(ownerDigest({ kind: 'a', key: 'bc' })).not.to.equal(ownerDigest({ kind: 'ab', key: 'c' }));
    expect(ownerDigest({ kind: 'a","b', key: 'c' })).not.to.equal(ownerDigest({ kind: 'a', key: 'b","c' }));
  });
});

describe('toJson', () => {
  it('rejects a text that cannot be stored, at any depth', () => {
    expect(field(() => toJson('settings', { a: [{ b: 'x\0' }] }))).to.equal('settings');
    expect(field(() => toJson('settings', { a: [{ b: '\udc00' }] }))).to.equal('settings');
  });

  it('rejects a name that cannot be stored', () => {
    expect(field(() => toJson('settings', { 'x\0': 1 }))).to.equal('settings');
  });

  it('writes everything else as JSON does', () => {
    expect(toJson('settings', { a: undefined, b: null, c: [1, 'é"\\'] })).to.equal('{"b":null,"c":[1,"é\\"\\\\"]}');
  });
});
