import { randomBytes } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';

import { expect } from 'chai';

import { DataCompressor, expand } from '../../../../src/agent-client/wire/data-compression.ts';
import { type DataFrame, FrameType } from '../../../../src/agent-client/wire/frame.ts';
import { ProtocolViolationError } from '../../../../src/errors/connection.ts';
import { rejection } from '../../../support/rejection.ts';

function zstdFrame(bytes: Uint8Array, rawLength: number): DataFrame {
  return { type: FrameType.DATA, stream: 1, offset: 0, rawLength, encoding: 'zstd', bytes };
}

describe('DataCompressor', () => {
  const text = Buffer.alloc(262_144, 'some text ');

  it('compresses frames where that saves a tenth', async () => {
    const { encoding, pieces } = await new DataCompressor().encode(
      [text.subarray(0, 100_000), text.subarray(100_000)],
      text.length,
    );
    expect(encoding).to.equal('zstd');
    expect(zstdDecompressSync(Buffer.concat(pieces)).equals(text)).to.equal(true);
  });

  it('leaves other frames raw, and tries less and less often', async () => {
    const compressor = new DataCompressor();
    const noise = [randomBytes(10_000)];
    const tries: number[] = [];
    for (let frame = 0; frame < 300; frame += 1) {
      const encoded = compressor.encode(noise, 10_000);
      if (encoded instanceof Promise) tries.push(frame);
      expect((await encoded).pieces).to.equal(noise);
    }
    expect(tries).to.deep.equal([0, 2, 5, 10, 19, 36, 69, 134, 199, 264]);
    // Compresses every frame again as soon as a try succeeds.
    let packed = 0;
    for (let frame = 0; frame < 70; frame += 1)
      if ((await compressor.encode([text], text.length)).encoding === 'zstd') packed += 1;
    expect(packed).to.be.greaterThan(30);
  });

  it('leaves small frames raw', () => {
    expect(new DataCompressor().encode([text.subarray(0, 100)], 100)).to.include({ encoding: 'raw' });
  });
});

describe('expand', () => {
  for (const size of [1, 1000, 16 * 1024, 16 * 1024 + 1, 262_144]) {
    context(`of ${size} bytes`, () => {
      const raw = Buffer.alloc(size, 'some text ');
      const packed = zstdCompressSync(raw);

      it('returns the raw bytes', async () => {
        expect(Buffer.from(await expand(zstdFrame(packed, size))).equals(raw)).to.equal(true);
      });

      it('never returns more or fewer bytes than the frame declares', async () => {
        for (const declared of size === 1 ? [2] : [size - 1, size + 1])
          expect(
            await rejection((async () => await expand(zstdFrame(packed, declared)))()),
            `${declared}`,
          ).to.be.instanceOf(ProtocolViolationError);
      });

      it('rejects truncated data and data that is not zstd', async () => {
        for (const bytes of [packed.subarray(0, -1), Buffer.from('nothing'), Buffer.alloc(0)])
          expect(await rejection((async () => await expand(zstdFrame(bytes, size)))())).to.be.instanceOf(
            ProtocolViolationError,
          );
      });
    });
  }

  it('rejects a frame that requires a large window', async () => {
    // A frame header with a window of 64 MiB: no content size, windowLog 26.
    const greedy = Buffer.concat([
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (26 - 10) << 3]),
      Buffer.from([0x09, 0, 0, 0x61]),
    ]);
    expect(await rejection((async () => await expand(zstdFrame(greedy, 100_000)))())).to.be.instanceOf(
      ProtocolViolationError,
    );
  });
});
