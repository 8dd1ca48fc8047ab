import { expect } from 'chai';
import fc from 'fast-check';

import { encodeControl, Fields } from '../../../../src/agent-client/wire/control.ts';
import { FrameType } from '../../../../src/agent-client/wire/frame.ts';
import { InvalidSpecError } from '../../../../src/errors/caller.ts';
import { ProtocolViolationError } from '../../../../src/errors/connection.ts';

function parse(value: unknown): Fields {
  return Fields.parse(FrameType.RESULT, Buffer.from(JSON.stringify(value)));
}

describe('encodeControl', () => {
  it('encodes text as text, and bytes that are not UTF-8 as base64, at any depth', () => {
    const value = {
      path: Buffer.from('ä'),
      args: ['a', Buffer.from([0xff, 0x00])],
      nested: { none: null, yes: true, count: 3 },
      left: undefined,
    };
    expect(JSON.parse(encodeControl(value).toString())).to.deep.equal({
      path: 'ä',
      args: ['a', { b64: '/wA=' }],
      nested: { none: null, yes: true, count: 3 },
    });
  });

  it('keeps every byte of a text', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const { path } = JSON.parse(encodeControl({ path: bytes }).toString()) as { path: string | { b64: string } };
        expect(
          Buffer.from(typeof path === 'string' ? path : path.b64, typeof path === 'string' ? 'utf8' : 'base64').equals(
            Buffer.from(bytes),
          ),
        ).to.equal(true);
      }),
    );
  });

  it('names the field of text that is not well-formed Unicode', () => {
    expect(() => encodeControl({ env: ['A=b', 'C=\ud800'] })).to.throw(InvalidSpecError, 'env[1]');
  });

  it('rejects more than 4 MiB', () => {
    expect(() => encodeControl({ args: ['x'.repeat(4 << 20)] })).to.throw(InvalidSpecError, '4194304');
  });
});

describe('Fields', () => {
  it('reads members of each type', () => {
    const fields = parse({
      count: 3,
      flag: false,
      name: 'a',
      bytes: { b64: '/w==' },
      range: [1, 2],
      word: 'file',
      list: ['a'],
      objects: [{ id: 'x' }],
      none: null,
    });
    expect(fields.count('count')).to.equal(3);
    expect(fields.boolean('flag')).to.equal(false);
    expect(fields.string('name')).to.equal('a');
    expect(fields.text('name')).to.equal('a');
    expect(fields.text('bytes')).to.equal('\ufffd');
    expect(fields.range('range')).to.deep.equal([1, 2]);
    expect(fields.word('word', ['file', 'directory'])).to.equal('file');
    expect(fields.strings('list')).to.deep.equal(['a']);
    expect(fields.objects('objects').map((object) => object.string('id'))).to.deep.equal(['x']);
    expect([fields.has('none'), fields.has('missing'), fields.has('flag')]).to.deep.equal([false, false, true]);
    expect(fields.optional('none', (from, name) => from.count(name))).to.equal(undefined);
    expect(fields.optional('count', (from, name) => from.count(name))).to.equal(3);
  });

  const reads: Readonly<Record<string, (fields: Fields) => unknown>> = {
    count: (fields) => fields.count('a'),
    boolean: (fields) => fields.boolean('a'),
    string: (fields) => fields.string('a'),
    text: (fields) => fields.text('a'),
    word: (fields) => fields.word('a', ['x']),
    object: (fields) => fields.object('a'),
    objects: (fields) => fields.objects('a'),
    strings: (fields) => fields.strings('a'),
    range: (fields) => fields.range('a'),
  };
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    count: [-1, 1.5, '1', null, undefined, 2 ** 53, true],
    boolean: [0, 'true', null, undefined],
    string: [1, null, undefined, { b64: '' }],
    text: [1, null, undefined, {}, { b64: 1 }],
    word: ['y', 1, undefined],
    object: [[], 'a', null, undefined, 1],
    objects: [{}, ['a'], undefined],
    strings: ['a', [1], undefined],
    range: [[2, 1], [1], [1, 2, 3], ['1', 2], 1, undefined],
  };
  for (const [kind, values] of Object.entries(wrong)) {
    it(`rejects a value that is not a ${kind}, with its name`, () => {
      for (const value of values)
        expect(() => reads[kind]?.(parse({ a: value })), JSON.stringify(value)).to.throw(
          ProtocolViolationError,
          'RESULT.a',
        );
    });
  }

  it('does not read members of the object prototype', () => {
    expect(() => parse({}).string('constructor')).to.throw(ProtocolViolationError);
    expect(() => parse({}).object('__proto__')).to.throw(ProtocolViolationError);
  });

  it('parses only the JSON text of an object', () => {
    for (const text of ['', '{', '[]', '"a"', '1', 'null', '{"a":1}x'])
      expect(() => Fields.parse(FrameType.ERROR, Buffer.from(text)), text).to.throw(ProtocolViolationError, 'ERROR');
    expect(() => Fields.parse(FrameType.ERROR, Buffer.from([0x7b, 0xff, 0x7d]))).to.throw(
      ProtocolViolationError,
      'UTF-8',
    );
  });
});
