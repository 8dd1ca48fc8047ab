import { expect } from 'chai';
import { ApiError } from '../../../../src/embedded/objects/status.ts';
import { applyPatch, jsonPatch, mergePatch, strategicMerge } from '../../../../src/embedded/server/patches.ts';

describe('mergePatch', () => {
  it('merges objects, replaces lists and removes fields that are null', () => {
    const target = { a: { b: 1, c: 2 }, list: [1, 2], gone: true };
    expect(mergePatch(target, { a: { b: 3 }, list: [9], gone: null })).to.deep.equal({ a: { b: 3, c: 2 }, list: [9] });
  });

  it('does not modify its target', () => {
    const target = { a: { b: 1 } };
    mergePatch(target, { a: { b: 2 } });
    expect(target).to.deep.equal({ a: { b: 1 } });
  });
});

describe('strategicMerge', () => {
  it('merges lists of named items by their key', () => {
    const target = {
      containers: [
        { name: 'a', image: '1' },
        { name: 'b', image: '1' },
      ],
    };
    expect(strategicMerge(target, { containers: [{ name: 'b', image: '2' }, { name: 'c' }] })).to.deep.equal({
      containers: [{ name: 'a', image: '1' }, { name: 'b', image: '2' }, { name: 'c' }],
    });
  });

  it('deletes a named item', () => {
    expect(
      strategicMerge({ volumes: [{ name: 'a' }, { name: 'b' }] }, { volumes: [{ name: 'a', $patch: 'delete' }] }),
    ).to.deep.equal({
      volumes: [{ name: 'b' }],
    });
  });

  it('ignores the element order that kubectl sends', () => {
    expect(strategicMerge({ a: 1 }, { '$setElementOrder/containers': [{ name: 'a' }], b: 2 })).to.deep.equal({
      a: 1,
      b: 2,
    });
  });

  it('replaces a list without a key', () => {
    expect(strategicMerge({ args: ['a'] }, { args: ['b'] })).to.deep.equal({ args: ['b'] });
  });
});

describe('jsonPatch', () => {
  it('adds, replaces, removes, moves, copies and tests', () => {
    const result = jsonPatch({ a: 1, list: [1, 3], x: 'x', 'k/~': 0 }, [
      { op: 'test', path: '/a', value: 1 },
      { op: 'replace', path: '/a', value: 2 },
      { op: 'add', path: '/list/1', value: 2 },
      { op: 'add', path: '/list/-', value: 4 },
      { op: 'copy', from: '/a', path: '/b' },
      { op: 'move', from: '/x', path: '/y' },
      { op: 'remove', path: '/k~1~0' },
    ]);
    expect(result).to.deep.equal({ a: 2, list: [1, 2, 3, 4], b: 2, y: 'x' });
  });

  for (const [name, patch] of [
    ['a test that fails', [{ op: 'test', path: '/a', value: 2 }]],
    ['a path that does not exist', [{ op: 'remove', path: '/missing' }]],
    ['an unknown operation', [{ op: 'frobnicate', path: '/a' }]],
  ] as const) {
    it(`rejects ${name} with 422`, () => {
      expect(() => jsonPatch({ a: 1 }, patch))
        .to.throw(ApiError)
        .with.property('code', 422);
    });
  }
});

describe('applyPatch', () => {
  it('rejects an unknown patch format with 415', () => {
    expect(() => applyPatch('application/apply-patch+yaml', {}, {}))
      .to.throw(ApiError)
      .with.property('code', 415);
  });
});
