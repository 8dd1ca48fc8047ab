import { expect } from 'chai';
import fc from 'fast-check';

import { dataFrameInPlace, pingFrame, streamFrame } from '../../../../src/exec/spdy/spdy-frames.ts';
import { SpdyClientParser } from '../../../support/spdy-frames.ts';

describe('SPDY frames', () => {
  it('open streams with a type, with the headers in one zlib stream', () => {
    const types = ['error', 'stdin', 'stdout', 'stderr'];
    const frames = types.map((type, index) => streamFrame(2 * index + 1, type, index === 0));
    expect(new SpdyClientParser().push(Buffer.concat(frames))).to.deep.equal(
      types.map((streamtype, index) => ({ kind: 'stream', stream: 2 * index + 1, headers: { streamtype } })),
    );
  });

  it('carry data of any size, without a copy', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 8, max: 20 }),
        fc.nat({ max: 0x7fffffff }),
        (content, payloadAt, stream) => {
          const bytes = Buffer.concat([Buffer.alloc(payloadAt, 0xff), content]);
          const frame = dataFrameInPlace(bytes, payloadAt, stream);
          expect(frame.buffer).to.equal(bytes.buffer);
          expect(new SpdyClientParser().push(frame)).to.deep.equal([
            { kind: 'data', stream, isLast: false, payload: Buffer.from(content) },
          ]);
        },
      ),
    );
  });

  it('are never longer than the field for their length allows', () => {
    expect(() => dataFrameInPlace(Buffer.allocUnsafe(8 + 2 ** 24), 8, 3)).to.throw(RangeError);
    const frame = dataFrameInPlace(Buffer.allocUnsafe(8 + 2 ** 24 - 1), 8, 3);
    expect(frame.readUIntBE(5, 3)).to.equal(2 ** 24 - 1);
  });

  it('ping with a number', () => {
    expect(new SpdyClientParser().push(pingFrame(7))).to.deep.equal([{ kind: 'ping', id: 7 }]);
  });
});
