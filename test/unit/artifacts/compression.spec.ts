import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

import { expect } from 'chai';
import fc from 'fast-check';

import { checkEncoding, decodeArchive, encodeArchive } from '../../../src/artifacts/compression.ts';
import { InvalidSpecError } from '../../../src/errors/caller.ts';
import {
  ArtifactTooLargeError,
  CorruptArchiveError,
  TruncatedArchiveError,
  UnsupportedEncodingError,
} from '../../../src/errors/transfer.ts';
import { rejection } from '../../support/rejection.ts';

/** The error of reading it to its end. */
async function failureOf(readable: Readable): Promise<Error> {
  return await rejection(buffer(readable).then(({ length }) => `${length} bytes`));
}

const facts = { handle: 'v', direction: 'in' } as const;
const archive = Buffer.concat([Buffer.alloc(300_000, 'some text, again and again '), randomBytes(100_000)]);
const encoded = {
  raw: archive,
  gzip: gzipSync(archive),
  zstd: zstdCompressSync(archive, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
} as const;

function* cut(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function pieces(bytes: Buffer, size = 10_000): Readable {
  return Readable.from(cut(bytes, size));
}

describe('decodeArchive', () => {
  for (const encoding of ['raw', 'gzip', 'zstd'] as const) {
    context(`of ${encoding}`, () => {
      it('gives the raw bytes, and counts those that were given', async () => {
        const decoded = decodeArchive(pieces(encoded[encoding]), { encoding, facts });
        expect(archive.equals(await buffer(decoded.readable))).to.equal(true);
        expect(decoded.encodedBytes()).to.equal(encoded[encoding].length);
      });

      it('takes a source that is an iterable', async () => {
        async function* source(): AsyncGenerator<Uint8Array> {
          yield* [encoded[encoding]];
        }
        expect(archive.equals(await buffer(decodeArchive(source(), { encoding, facts }).readable))).to.equal(true);
      });

      it('fails with what the source fails with, as it is', async () => {
        const failure = Object.assign(new Error('broken'), { code: 'Z_DATA_ERROR' });
        async function* source(): AsyncGenerator<Uint8Array> {
          yield encoded[encoding].subarray(0, 1000);
          throw failure;
        }
        expect(await failureOf(decodeArchive(source(), { encoding, facts }).readable)).to.equal(failure);
      });

      it('takes as many bytes as the limit, and not one more', async () => {
        const limitBytes = encoded[encoding].length;
        expect(
          archive.equals(
            await buffer(decodeArchive(pieces(encoded[encoding]), { encoding, facts, limitBytes }).readable),
          ),
        ).to.equal(true);
        const source = pieces(encoded[encoding]);
        const error = await failureOf(decodeArchive(source, { encoding, facts, limitBytes: limitBytes - 1 }).readable);
        expect(error)
          .to.be.instanceOf(ArtifactTooLargeError)
          .with.property('limitBytes', limitBytes - 1);
        expect(source.destroyed).to.equal(true);
      });

      it('destroys the source when it is destroyed, also one that gives nothing', async () => {
        const source = new PassThrough();
        const { readable } = decodeArchive(source, { encoding, facts });
        readable.destroy();
        await new Promise((resolve) => source.once('close', resolve));
        expect(source.destroyed).to.equal(true);
      });

      it('destroys the source with the error that it is destroyed with', async () => {
        const source = new PassThrough();
        const reason = new Error('stopped');
        decodeArchive(source, { encoding, facts }).readable.destroy(reason);
        await new Promise((resolve) => source.once('close', resolve));
        expect(source.errored).to.equal(reason);
      });

      it('does not throw an error that comes before anybody listens', async () => {
        const source = new PassThrough();
        const { readable } = decodeArchive(source, { encoding, facts });
        source.destroy(new Error('early'));
        await new Promise((resolve) => readable.once('close', resolve));
        expect(readable.errored).to.have.property('message', 'early');
      });
    });
  }

  for (const encoding of ['gzip', 'zstd'] as const) {
    context(`of ${encoding}`, () => {
      const whole = encoded[encoding];

      it('tells that the data ends early, wherever that is', async () => {
        for (const length of [0, 1, 10, 1000, whole.length - 1]) {
          const source = pieces(whole.subarray(0, length));
          const error = await failureOf(decodeArchive(source, { encoding, facts }).readable);
          expect(error, `${length} bytes`).to.be.instanceOf(TruncatedArchiveError).with.property('retryable', false);
        }
      });

      it('tells what is not of this encoding, and destroys the source', async () => {
        const source = pieces(Buffer.alloc(100_000, 'no archive'));
        const error = await failureOf(decodeArchive(source, { encoding, facts }).readable);
        expect(error).to.be.instanceOf(CorruptArchiveError).with.property('handle', 'v');
        expect(source.destroyed).to.equal(true);
      });

      it('tells the same to who begins to read when it has failed already', async () => {
        const { readable } = decodeArchive(pieces(Buffer.from('no archive')), { encoding, facts });
        await new Promise((resolve) => readable.once('close', resolve));
        expect(await failureOf(readable)).to.be.instanceOf(CorruptArchiveError);
      });

      it('tells that the data was changed', async () => {
        const changed = Buffer.from(whole);
        changed.fill(0x55, 200, 400);
        expect(await failureOf(decodeArchive(pieces(changed), { encoding, facts }).readable)).to.be.instanceOf(
          CorruptArchiveError,
        );
      });

      it('expands data of several parts, wherever the chunks are cut', async () => {
        const compress = encoding === 'gzip' ? gzipSync : zstdCompressSync;
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 5 }),
            fc.integer({ min: 1, max: 5000 }),
            async (parts, size) => {
              const source = pieces(Buffer.concat(parts.map((part) => compress(part))), size);
              const raw = await buffer(decodeArchive(source, { encoding, facts }).readable);
              expect(raw.equals(Buffer.concat(parts))).to.equal(true);
            },
          ),
          { numRuns: 50 },
        );
      });

      it('takes zeros behind the data as padding, wherever the chunks are cut', async () => {
        for (const padding of [1, 511, 100_000]) {
          for (const size of [9_000, whole.length, whole.length + 1, 1 << 20]) {
            const decoded = decodeArchive(pieces(Buffer.concat([whole, Buffer.alloc(padding)]), size), {
              encoding,
              facts,
            });
            expect(archive.equals(await buffer(decoded.readable)), `${padding} zeros, chunks of ${size}`).to.equal(
              true,
            );
            expect(decoded.isProven()).to.equal(true);
            expect(decoded.encodedBytes()).to.equal(whole.length + padding);
          }
        }
      });

      it('does not take zeros in the place of the data for an archive', async () => {
        const error = await failureOf(decodeArchive(pieces(Buffer.alloc(5000)), { encoding, facts }).readable);
        expect(error).to.be.instanceOf(CorruptArchiveError);
      });

      it('has proven the end of what is whole, and of nothing before that', async () => {
        const decoded = decodeArchive(pieces(whole), { encoding, facts });
        expect(decoded.isProven()).to.equal(false);
        await buffer(decoded.readable);
        expect(decoded.isProven()).to.equal(true);
        const cut = decodeArchive(pieces(whole.subarray(0, whole.length - 1)), { encoding, facts });
        await failureOf(cut.readable);
        expect(cut.isProven()).to.equal(false);
      });

      it('expands no more than is read', async () => {
        const zeros = encoding === 'gzip' ? gzipSync(Buffer.alloc(64 << 20)) : zstdCompressSync(Buffer.alloc(64 << 20));
        const { readable } = decodeArchive(pieces(zeros, 1000), { encoding, facts });
        let held = 0;
        for await (const chunk of readable) {
          held = Math.max(held, readable.readableLength + (chunk as Buffer).length);
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(held).to.be.at.most(1 << 20);
      });
    });
  }
});

describe('decodeArchive of gzip', () => {
  it('ignores what follows the data, as gzip does, but has proven nothing then', async () => {
    for (const garbage of ['and something else', '\x1f', '\0\0garbage']) {
      for (const size of [10_000, encoded.gzip.length, 1 << 20]) {
        const decoded = decodeArchive(pieces(Buffer.concat([encoded.gzip, Buffer.from(garbage, 'latin1')]), size), {
          encoding: 'gzip',
          facts,
        });
        expect(archive.equals(await buffer(decoded.readable)), `${garbage}, chunks of ${size}`).to.equal(true);
        expect(decoded.isProven()).to.equal(false);
      }
    }
  });

  it('tells a second member that is cut short, or damaged', async () => {
    const second = gzipSync('second');
    for (const length of [2, 9, 12, second.length - 1]) {
      const source = pieces(Buffer.concat([encoded.gzip, second.subarray(0, length)]));
      expect(await failureOf(decodeArchive(source, { encoding: 'gzip', facts }).readable)).to.be.instanceOf(
        TruncatedArchiveError,
      );
    }
    for (const at of [2, second.length - 8, second.length - 4]) {
      const damaged = Buffer.from(second);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
      const source = pieces(Buffer.concat([encoded.gzip, damaged]));
      expect(
        await failureOf(decodeArchive(source, { encoding: 'gzip', facts }).readable),
        `byte ${at}`,
      ).to.be.instanceOf(CorruptArchiveError);
    }
  });

  it('takes headers with every optional field, wherever the chunks are cut', async () => {
    const body = encoded.gzip.subarray(10);
    const extra = Buffer.from([5, 0, 1, 2, 3, 4, 5]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 1, max: 40 }), async (flags, size) => {
        const fields = [extra, Buffer.from('name\0'), Buffer.from('comment\0'), Buffer.from([0, 0])];
        const present = fields.filter((_, index) => (flags & ([4, 8, 16, 2][index] ?? 0)) !== 0);
        const header = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3]), ...present]);
        const source = Readable.from([...cut(header, size), body]);
        expect(archive.equals(await buffer(decodeArchive(source, { encoding: 'gzip', facts }).readable))).to.equal(
          true,
        );
      }),
      { numRuns: 40 },
    );
  });
});

describe('decodeArchive of zstd', () => {
  it('tells that something else follows the data, or its padding', async () => {
    for (const more of ['and something else', '\0\0\0garbage']) {
      const source = pieces(Buffer.concat([encoded.zstd, Buffer.from(more)]));
      expect(await failureOf(decodeArchive(source, { encoding: 'zstd', facts }).readable)).to.be.instanceOf(
        CorruptArchiveError,
      );
    }
  });

  it('passes over skippable frames, as pzstd writes them', async () => {
    const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
    for (const size of [5_000, 11_111, 1 << 20]) {
      const source = pieces(Buffer.concat([skippable, encoded.zstd, skippable, Buffer.alloc(600)]), size);
      expect(archive.equals(await buffer(decodeArchive(source, { encoding: 'zstd', facts }).readable))).to.equal(true);
    }
  });

  it('finds the end of each frame, however it was made', async () => {
    const contents = [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(400_000), randomBytes(300_000), archive];
    for (const content of contents) {
      for (const checksum of [0, 1]) {
        const params = { [constants.ZSTD_c_checksumFlag]: checksum, [constants.ZSTD_c_contentSizeFlag]: checksum };
        const frame = zstdCompressSync(content, { params });
        const source = pieces(Buffer.concat([frame, frame, Buffer.alloc(3)]), frame.length);
        const raw = await buffer(decodeArchive(source, { encoding: 'zstd', facts }).readable);
        expect(raw.equals(Buffer.concat([content, content])), `${content.length} bytes`).to.equal(true);
      }
    }
  });
});

describe('decodeArchive of a source that does not give bytes', () => {
  const refused = (readable: Readable): Promise<Error> => failureOf(readable);

  it('refuses one with an encoding at once, and destroys it', () => {
    for (const encoding of ['utf8', 'latin1', 'hex'] as const) {
      const source = pieces(archive);
      source.setEncoding(encoding);
      expect(() => decodeArchive(source, { facts }))
        .to.throw(InvalidSpecError)
        .with.property('field', 'source');
      expect(source.destroyed).to.equal(true);
    }
  });

  for (const encoding of ['raw', 'gzip', 'zstd'] as const) {
    it(`refuses text and anything else that is not bytes, in ${encoding}`, async () => {
      async function* text(): AsyncGenerator<string> {
        yield* ['text'];
      }
      const late = new PassThrough();
      late.write(encoded[encoding]);
      const sources: readonly unknown[] = [
        Readable.from(['text']),
        Readable.from([encoded[encoding], 'text']),
        Readable.from([encoded[encoding], 7]),
        Readable.from([{ bytes: archive }]),
        Readable.from([new Uint16Array(4)]),
        text(),
        ['text'],
        new Blob(['text']).stream().pipeThrough(new TextDecoderStream()),
        late,
      ];
      for (const source of sources) {
        const { readable } = decodeArchive(source as Readable, { encoding, facts });
        // An encoding that is set when the reading has begun.
        if (source === late) late.setEncoding('latin1');
        expect(await refused(readable))
          .to.be.instanceOf(InvalidSpecError)
          .with.property('field', 'source');
      }
    });
  }

  it('refuses what is no source', () => {
    for (const source of [undefined, null, 7, 'text', {}])
      expect(() => decodeArchive(source as never, { facts })).to.throw(InvalidSpecError);
  });

  it('takes bytes of every kind', async () => {
    const copy = new Uint8Array(archive);
    for (const source of [Readable.from([archive]), Readable.from([copy]), [copy], new Blob([copy]).stream(), archive])
      expect(archive.equals(await buffer(decodeArchive(source as Readable, { facts }).readable))).to.equal(true);
  });
});

describe('encodeArchive', () => {
  it('gives what others can decode', async () => {
    expect(archive.equals(gunzipSync(await buffer(encodeArchive(pieces(archive), 'gzip'))))).to.equal(true);
    expect(archive.equals(zstdDecompressSync(await buffer(encodeArchive(pieces(archive), 'zstd'))))).to.equal(true);
    expect(archive.equals(await buffer(encodeArchive(pieces(archive), 'raw')))).to.equal(true);
  });

  for (const encoding of ['raw', 'gzip', 'zstd'] as const) {
    it(`fails in ${encoding} with what the archive fails with, as it is`, async () => {
      const failure = new Error('broken');
      const source = new PassThrough();
      const result = failureOf(encodeArchive(source, encoding));
      source.write(archive.subarray(0, 1000));
      source.destroy(failure);
      expect(await result).to.equal(failure);
    });

    it(`destroys the archive when the result in ${encoding} is destroyed`, async () => {
      const source = new PassThrough();
      encodeArchive(source, encoding).destroy();
      await new Promise((resolve) => (source.closed ? resolve(undefined) : source.once('close', resolve)));
      expect(source.destroyed).to.equal(true);
    });
  }
});

describe('checkEncoding', () => {
  it('knows raw, gzip and zstd, and names another', async () => {
    expect(['raw', 'gzip', 'zstd'].map((encoding) => checkEncoding(encoding, facts))).to.deep.equal([
      'raw',
      'gzip',
      'zstd',
    ]);
    expect(() => checkEncoding('s2', facts)).to.throw(UnsupportedEncodingError, 's2');
  });
});
