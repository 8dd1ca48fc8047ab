import { expect } from 'chai';
import fc from 'fast-check';

import {
  type DataFrame,
  encodeDataFrame,
  encodeFrame,
  type Frame,
  FrameType,
} from '../../../../src/agent-client/wire/frame.ts';
import { FrameDecoder } from '../../../../src/agent-client/wire/frame-decoder.ts';
import { ProtocolViolationError } from '../../../../src/errors/connection.ts';
import {
  readData,
  readEnd,
  readWindow,
  WIRE_TYPES,
  WireReader,
  wireData,
  wireEnd,
  wireFrame,
  wireWindow,
} from '../../../support/agent/agent-wire.ts';
import { alone } from '../../../support/stores/memory-archive-store.ts';

/** Decodes chunks whose memory is reused after each, and copies what is valid only until then. */
function decode(...chunks: Uint8Array[]): Frame[] {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder((frame) => frames.push(kept(frame)));
  for (const chunk of chunks) {
    const reused = Buffer.from(chunk);
    decoder.push(reused);
    reused.fill(0xaa);
  }
  return frames;
}

function kept(frame: Frame): Frame {
  if ('text' in frame) return { ...frame, text: Buffer.from(frame.text) };
  if ('opaque' in frame) return { ...frame, opaque: Buffer.from(frame.opaque) };
  if (frame.type !== FrameType.DATA || frame.encoding === 'zstd') return frame;
  return { ...frame, bytes: Buffer.from(frame.bytes) };
}

/** Splits the bytes into chunks of these sizes, cyclically. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

/** Joins the parts of raw DATA. */
function joined(frames: readonly Frame[]): Frame[] {
  const result: Frame[] = [];
  for (const emitted of frames) {
    const frame = emitted.type === FrameType.DATA ? whole(emitted) : emitted;
    const last = result.at(-1);
    const continues =
      frame.type === FrameType.DATA &&
      frame.encoding === 'raw' &&
      last?.type === FrameType.DATA &&
      last.encoding === 'raw';
    if (
      continues &&
      last.stream === frame.stream &&
      last.offset + last.rawLength === frame.offset &&
      last.rawLength + frame.rawLength <= 262_144
    )
      result[result.length - 1] = {
        ...last,
        rawLength: last.rawLength + frame.rawLength,
        bytes: Buffer.concat([last.bytes, frame.bytes]),
      };
    else result.push(frame.type === FrameType.DATA ? { ...frame, bytes: Buffer.from(frame.bytes) } : frame);
  }
  return result;
}

function whole({ type, stream, offset, rawLength, encoding, bytes: content }: DataFrame): DataFrame {
  return { type, stream, offset, rawLength, encoding, bytes: content };
}

const offsets = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 300_000 });
const streams = fc.constantFrom(0 as const, 1 as const, 2 as const);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 400 }).map((array) => Buffer.from(array));

const anyFrame: fc.Arbitrary<{ readonly wire: Buffer; readonly frame: Frame }> = fc.oneof(
  fc.record({ stream: streams, offset: offsets, bytes }).map(({ stream, offset, bytes: raw }) => ({
    wire: wireData(stream, offset, raw),
    frame: { type: FrameType.DATA, stream, offset, rawLength: raw.length, encoding: 'raw' as const, bytes: raw },
  })),
  fc
    .record({ stream: streams, offset: offsets, bytes, rawLength: fc.integer({ min: 1, max: 262_144 }) })
    .map(({ stream, offset, bytes: packed, rawLength }) => ({
      wire: wireData(stream, offset, packed, { rawLength }),
      frame: { type: FrameType.DATA, stream, offset, rawLength, encoding: 'zstd' as const, bytes: packed },
    })),
  fc.record({ stream: streams, acknowledged: offsets, limit: offsets }).map(({ stream, acknowledged, limit }) => ({
    wire: wireWindow(stream, acknowledged, limit),
    frame: { type: FrameType.WINDOW, stream, acknowledged, limit, durable: false },
  })),
  fc
    .record({ stream: streams, total: offsets, digest: fc.uint8Array({ minLength: 32, maxLength: 32 }) })
    .map(({ stream, total, digest }) => ({
      wire: wireEnd(stream, total, digest),
      frame: { type: FrameType.END, stream, total, digest: Buffer.from(digest) },
    })),
  fc
    .record({
      type: fc.constantFrom('PING' as const, 'PONG' as const),
      opaque: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    })
    .map(({ type, opaque }) => ({
      wire: wireFrame(type, opaque),
      frame: { type: FrameType[type], opaque: Buffer.from(opaque) },
    })),
  fc
    .record({
      type: fc.constantFrom('OPENED' as const, 'RESULT' as const, 'ERROR' as const, 'HELLO' as const),
      text: fc.string(),
    })
    .map(({ type, text }) => ({
      wire: wireFrame(type, Buffer.from(text)),
      frame: { type: FrameType[type], text: Buffer.from(text) },
    })),
  fc
    .constantFrom('CANCEL' as const, 'DONE' as const, 'BYE' as const)
    .map((type) => ({ wire: wireFrame(type), frame: { type: FrameType[type] } })),
);

describe('frames', () => {
  it('are decoded as they were sent, for any chunks', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 5 }),
        (sent, sizes) => {
          const frames = decode(...cut(Buffer.concat(sent.map(({ wire }) => wire)), sizes));
          expect(joined(frames)).to.deep.equal(joined(sent.map(({ frame }) => frame)));
        },
      ),
    );
  });

  it('mark the parts of raw DATA that are not the last', () => {
    const wire = wireData(1, 0, Buffer.alloc(300));
    const parts = decode(wire.subarray(0, 100), wire.subarray(100, 200), wire.subarray(200));
    expect(parts.map((frame) => frame.type === FrameType.DATA && frame.isPart)).to.deep.equal([true, true, false]);
  });

  it('are encoded according to the document', () => {
    const reader = new WireReader();
    const digest = Buffer.alloc(32, 7);
    const sent: Exclude<Frame, DataFrame>[] = [
      { type: FrameType.WINDOW, stream: 1, acknowledged: 5, limit: 2 ** 40, durable: true },
      { type: FrameType.END, stream: 0, total: 2 ** 40, digest },
      { type: FrameType.PING, opaque: Buffer.from('12345678') },
      { type: FrameType.STOP, text: Buffer.from('{"graceMs":1}') },
      { type: FrameType.BYE },
    ];
    const [window, end, ping, stop, bye, data] = reader.push(
      Buffer.concat([
        ...sent.flatMap((frame) => encodeFrame(frame)),
        ...encodeDataFrame({ stream: 0, offset: 2 ** 40, rawLength: 5, encoding: 'raw' }, [
          Buffer.from('ab'),
          Buffer.from('cde'),
        ]),
      ]),
    );
    if (!window || !end || !ping || !stop || !bye || !data) throw new Error('too few frames');
    expect(readWindow(window)).to.deep.equal({ stream: 1, acknowledged: 5, limit: 2 ** 40, durable: true });
    expect(readEnd(end)).to.deep.equal({ stream: 0, total: 2 ** 40, digest: digest.toString('hex') });
    expect(ping.payload.toString()).to.equal('12345678');
    expect([stop.type, stop.payload.toString()]).to.deep.equal(['STOP', '{"graceMs":1}']);
    expect([bye.type, bye.payload.length]).to.deep.equal(['BYE', 0]);
    expect(readData(data)).to.deep.equal({
      stream: 0,
      offset: 2 ** 40,
      rawLength: 5,
      zstd: false,
      bytes: Buffer.from('abcde'),
    });
  });

  it('are not copied if they lie whole in a chunk, except for zstd', () => {
    const chunk = alone(
      Buffer.concat([
        wireData(1, 0, Buffer.from('raw')),
        wireData(1, 3, Buffer.from('packed'), { rawLength: 9 }),
        wireFrame('RESULT', Buffer.from('{}')),
      ]),
    );
    const frames: Frame[] = [];
    new FrameDecoder((frame) => frames.push(frame)).push(chunk);
    const contents = frames.map((frame) =>
      frame.type === FrameType.DATA ? frame.bytes : (frame as { text: Buffer }).text,
    );
    expect(contents.map(({ buffer }) => buffer === chunk.buffer)).to.deep.equal([true, false, true]);
  });

  it('have zstd bytes that can be freed, unless they are small', () => {
    const packed = Buffer.alloc(5_000, 1);
    for (const sizes of [[10_000], [1_000]]) {
      const [frame] = decode(...cut(wireData(1, 0, packed, { rawLength: 9_000 }), sizes));
      const { bytes: content } = frame as DataFrame;
      expect(content.buffer.byteLength).to.equal(5_000);
    }
  });

  it('split a long text, and are joined again', () => {
    const text = Buffer.alloc(3 * 262_144 + 1, 'x');
    const encoded = encodeFrame({ type: FrameType.OPEN, text });
    expect(encoded.map((frame) => frame[1])).to.deep.equal([1, 1, 1, 0]);
    expect(decode(...encoded)).to.deep.equal([{ type: FrameType.OPEN, text }]);
  });

  it('allow only PING between the parts of a text', () => {
    const part = wireFrame('RESULT', Buffer.from('{"a":'), 1);
    const frames = decode(part, wireFrame('PING', Buffer.alloc(8)), wireFrame('RESULT', Buffer.from('1}')));
    expect(frames.map(({ type }) => type)).to.deep.equal([FrameType.PING, FrameType.RESULT]);
    for (const other of [
      wireFrame('ERROR', Buffer.from('{}')),
      wireData(1, 0, Buffer.from('a')),
      wireWindow(0, 0, 1),
      wireEnd(1, 0, Buffer.alloc(32)),
      wireFrame('DONE'),
    ])
      expect(() => decode(part, other)).to.throw(ProtocolViolationError, 'within a text');
  });

  const long = Buffer.alloc(262_144, 'x');
  const violations: readonly (readonly [string, readonly Buffer[]])[] = [
    ['an unknown type', [wireFrame(0)]],
    ['another unknown type', [wireFrame(18)]],
    ['an unknown flag', [wireFrame('RESULT', Buffer.from('{}'), 8)]],
    ['a flag of another type', [wireFrame('PING', Buffer.alloc(8), 1)]],
    ['a reserved byte of the header', [Buffer.from([9, 0, 1, 0, 0, 0, 0, 0])]],
    ['a payload that is too long', [Buffer.from([8, 0, 0, 0, 0x21, 0, 4, 0])]],
    ['a payload of 4 GiB', [Buffer.from([8, 0, 0, 0, 255, 255, 255, 255])]],
    ['a text of more than 4 MiB', Array.from({ length: 17 }, () => wireFrame('RESULT', long, 1))],
    ['DATA without bytes', [wireFrame('DATA', Buffer.alloc(16))]],
    ['DATA shorter than its header', [wireFrame('DATA', Buffer.alloc(3))]],
    ['DATA of no raw bytes', [wireData(1, 0, Buffer.from('a'), { rawLength: 0 })]],
    ['DATA of too many raw bytes', [wireData(1, 0, Buffer.from('a'), { rawLength: 262_145 })]],
    [
      'raw DATA of another length than its own',
      [wireFrame('DATA', Buffer.concat([Buffer.from([1, 0, 0, 0, 9, 0, 0, 0]), Buffer.alloc(8), Buffer.from('a')]))],
    ],
    ['DATA of an unknown stream', [wireData(3, 0, Buffer.from('a'))]],
    [
      'DATA with reserved bytes that are not 0',
      [wireFrame('DATA', Buffer.concat([Buffer.from([1, 1, 0, 0, 1, 0, 0, 0]), Buffer.alloc(8), Buffer.from('a')]))],
    ],
    [
      'an offset beyond the safe integers',
      [
        wireFrame(
          'DATA',
          Buffer.concat([Buffer.from([1, 0, 0, 0, 1, 0, 0, 0]), Buffer.alloc(8, 255), Buffer.from('a')]),
        ),
      ],
    ],
    ['a WINDOW of another length', [wireFrame('WINDOW', Buffer.alloc(25))]],
    ['an END of another length', [wireFrame('END', Buffer.alloc(47))]],
    ['a PING of another length', [wireFrame('PING', Buffer.alloc(7))]],
    ['a DONE with a payload', [wireFrame('DONE', Buffer.alloc(1))]],
  ];
  for (const [what, chunks] of violations) {
    it(`are rejected for ${what}`, () => {
      expect(() => decode(...chunks)).to.throw(ProtocolViolationError);
      expect(() => decode(...cut(Buffer.concat(chunks), [7, 100_000])), 'in pieces').to.throw(ProtocolViolationError);
    });
  }

  it('of garbage fail only with a protocol violation', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
        try {
          decode(garbage);
        } catch (error) {
          expect(error).to.be.instanceOf(ProtocolViolationError);
        }
      }),
    );
  });

  it('have the type numbers of the document', () => {
    for (const [name, type] of Object.entries(FrameType)) expect(WIRE_TYPES[type]).to.equal(name);
    expect(Object.keys(FrameType)).to.have.length(WIRE_TYPES.length - 1);
  });
});
