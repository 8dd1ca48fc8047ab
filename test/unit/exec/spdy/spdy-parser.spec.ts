import { expect } from 'chai';
import fc from 'fast-check';

import { ProtocolViolationError } from '../../../../src/errors/connection.ts';
import { SpdyParser } from '../../../../src/exec/spdy/spdy-parser.ts';
import { spdyControl, spdyData, spdyPing, spdyReply, spdyReset } from '../../../support/spdy-frames.ts';

/** The output of a parser, with adjacent data of a stream joined. */
function parse(chunks: readonly Buffer[]): unknown[] {
  const seen: unknown[] = [];
  const parser = new SpdyParser({
    data: (stream, bytes) => seen.push({ stream, data: Buffer.from(bytes) }),
    ended: (stream) => seen.push({ ended: stream }),
    reset: (stream, status) => seen.push({ reset: stream, status }),
    ping: (id) => seen.push({ ping: id }),
  });
  for (const chunk of chunks) parser.push(chunk);
  return joined(seen);
}

function joined(seen: readonly unknown[]): unknown[] {
  const result: unknown[] = [];
  for (const each of seen as { stream?: number; data?: Buffer }[]) {
    const last = result.at(-1) as typeof each | undefined;
    if (each.data === undefined || last?.data === undefined || last.stream !== each.stream) result.push(each);
    else result[result.length - 1] = { ...last, data: Buffer.concat([last.data, each.data]) };
  }
  return result;
}

function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const length of lengths) {
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return [...chunks, bytes.subarray(at)];
}

describe('SpdyParser', () => {
  const frame = fc.oneof(
    fc
      .record({
        stream: fc.constantFrom(1, 5, 7, 9),
        content: fc.uint8Array({ minLength: 1, maxLength: 100 }),
        isLast: fc.boolean(),
      })
      .map(({ stream, content, isLast }) => ({
        bytes: spdyData(stream, Buffer.from(content), isLast),
        seen: [{ stream, data: Buffer.from(content) }, ...(isLast ? [{ ended: stream }] : [])],
      })),
    fc.nat({ max: 0xffffffff }).map((id) => ({ bytes: spdyPing(id), seen: [{ ping: id }] })),
    fc.constant({ bytes: spdyReset(3, 5), seen: [{ reset: 3, status: 5 }] }),
    fc.constant({ bytes: spdyData(1, Buffer.alloc(0), true), seen: [{ ended: 1 }] }),
    fc.constant({ bytes: spdyData(5, Buffer.alloc(0)), seen: [] }),
    // A reply, settings, a stream of the server, GOAWAY, headers, a window.
    fc
      .constantFrom(spdyReply(5), ...[4, 1, 7, 8, 9].map((type) => spdyControl(type, Buffer.alloc(12))))
      .map((bytes) => ({ bytes, seen: [] })),
  );

  it('delivers the frames that an exec needs, wherever the bytes are cut and whatever is between them', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 20 }),
        fc.array(fc.nat({ max: 40 }), { maxLength: 60 }),
        (frames, lengths) => {
          const bytes = Buffer.concat(frames.map((each) => each.bytes));
          const seen = frames.flatMap((each): readonly unknown[] => each.seen);
          expect(parse(cut(bytes, lengths))).to.deep.equal(joined(seen));
        },
      ),
    );
  });

  it('throws for a control frame of another protocol', () => {
    for (const bytes of [
      Buffer.from('\x80\x02\0\x06\0\0\0\x04\0\0\0\x01', 'latin1'),
      Buffer.from([0x80, 3, 0, 6, 0, 0, 0, 2, 0, 0]),
    ])
      expect(() => parse([bytes])).to.throw(ProtocolViolationError);
  });

  it('throws for a control frame above 64 KiB', () => {
    expect(parse([spdyControl(4, Buffer.alloc(64 * 1024))])).to.deep.equal([]);
    expect(() => parse([spdyControl(4, Buffer.alloc(64 * 1024 + 1)).subarray(0, 8)])).to.throw(
      ProtocolViolationError,
      '65537',
    );
  });

  it('parses any bytes, or throws ProtocolViolationError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parse([Buffer.from(bytes)]);
        } catch (error) {
          expect(error).to.be.instanceOf(ProtocolViolationError);
        }
      }),
    );
  });
});
