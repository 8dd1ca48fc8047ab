import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

import { expect } from 'chai';
import fc from 'fast-check';

import { checkEncoding, decodeArchive, encodeArchive } from '../../../src/encodings/compression.ts';
import { InvalidSpecError } from '../../../src/errors/caller.ts';
import {
  ArtifactTooLargeError,
  CorruptArchiveError,
  TruncatedArchiveError,
  UnsupportedEncodingError,
} from '../../../src/errors/transfer.ts';
import { rejection } from '../../support/rejection.ts';

/** Reads the stream to its end. Resolves with its error. */
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
      it('returns the raw bytes, and counts the encoded bytes [A37]', async () => {
        const decoded = decodeArchive(pieces(encoded[encoding]), { encoding, facts });
        expect(archive.equals(await buffer(decoded.readable))).to.equal(true);
        expect(decoded.encodedBytes()).to.equal(encoded[encoding].length);
      });

      it('accepts an iterable as the source', async () => {
        async function* source(): AsyncGenerator<Uint8Array> {
          yield* [encoded[encoding]];
        }
        expect(archive.equals(await buffer(decodeArchive(source(), { encoding, facts }).readable))).to.equal(true);
      });

      it("fails with the source's own error", async () => {
        const failure = Object.assign(new Error('broken'), { code: 'Z_DATA_ERROR' });
        async function* source(): AsyncGenerator<Uint8Array> {
          yield encoded[encoding].subarray(0, 1000);
          throw failure;
        }
        expect(await failureOf(decodeArchive(source(), { encoding, facts }).readable)).to.equal(failure);
      });

      it('accepts as many bytes as the limit, and no more', async () => {
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

      it('destroys the source when it is destroyed, even a source without data', async () => {
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

      it('does not throw an error before the first listener', async () => {
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

      it('reports data that ends early at any position', async () => {
        for (const length of [0, 1, 10, 1000, whole.length - 1]) {
          const source = pieces(whole.subarray(0, length));
          const error = await failureOf(decodeArchive(source, { encoding, facts }).readable);
          expect(error, `${length} bytes`).to.be.instanceOf(TruncatedArchiveError).with.property('retryable', false);
        }
      });

      it('reports data of another encoding, and destroys the source', async () => {
        const source = pieces(Buffer.alloc(100_000, 'no archive'));
        const error = await failureOf(decodeArchive(source, { encoding, facts }).readable);
        expect(error).to.be.instanceOf(CorruptArchiveError).with.property('handle', 'v');
        expect(source.destroyed).to.equal(true);
      });

      it('reports the same error to a reader that starts after the failure', async () => {
        const { readable } = decodeArchive(pieces(Buffer.from('no archive')), { encoding, facts });
        await new Promise((resolve) => readable.once('close', resolve));
        expect(await failureOf(readable)).to.be.instanceOf(CorruptArchiveError);
      });

      it('reports changed data [A37]', async () => {
        const changed = Buffer.from(whole);
        changed.fill(0x55, 200, 400);
        expect(await failureOf(decodeArchive(pieces(changed), { encoding, facts }).readable)).to.be.instanceOf(
          CorruptArchiveError,
        );
      });

      it('expands data of several parts with chunks of any size', async () => {
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

      it('accepts zeros after the data as padding with chunks of any size', async () => {
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

      it('rejects zeros in place of the data', async () => {
        const error = await failureOf(decodeArchive(pieces(Buffer.alloc(5000)), { encoding, facts }).readable);
        expect(error).to.be.instanceOf(CorruptArchiveError);
      });

      it('has proven the end of complete data, and of nothing before it', async () => {
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
  it('ignores bytes after the data like gzip, but has not proven its end then', async () => {
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

  it('reports a second member that is truncated or damaged', async () => {
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

  it('accepts headers with every optional field with chunks of any size', async () => {
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
  it('reports other bytes after the data or its padding', async () => {
    for (const more of ['and something else', '\0\0\0garbage']) {
      const source = pieces(Buffer.concat([encoded.zstd, Buffer.from(more)]));
      expect(await failureOf(decodeArchive(source, { encoding: 'zstd', facts }).readable)).to.be.instanceOf(
        CorruptArchiveError,
      );
    }
  });

  it('skips skippable frames, which pzstd writes', async () => {
    const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
    for (const size of [5_000, 11_111, 1 << 20]) {
      const source = pieces(Buffer.concat([skippable, encoded.zstd, skippable, Buffer.alloc(600)]), size);
      expect(archive.equals(await buffer(decodeArchive(source, { encoding: 'zstd', facts }).readable))).to.equal(true);
    }
  });

  it('finds the end of each kind of frame', async () => {
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

  it('rejects a source with an encoding at once, and destroys it', () => {
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
    it(`rejects text and anything else that is not bytes, in ${encoding}`, async () => {
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
        // The encoding is set after the reading has begun.
        if (source === late) late.setEncoding('latin1');
        expect(await refused(readable))
          .to.be.instanceOf(InvalidSpecError)
          .with.property('field', 'source');
      }
    });
  }

  it('rejects a value that is not a source', () => {
    for (const source of [undefined, null, 7, 'text', {}])
      expect(() => decodeArchive(source as never, { facts })).to.throw(InvalidSpecError);
  });

  it('accepts bytes of every kind', async () => {
    const copy = new Uint8Array(archive);
    for (const source of [Readable.from([archive]), Readable.from([copy]), [copy], new Blob([copy]).stream(), archive])
      expect(archive.equals(await buffer(decodeArchive(source as Readable, { facts }).readable))).to.equal(true);
  });
});

describe('encodeArchive', () => {
  it('returns data that other programs can decode', async () => {
    expect(archive.equals(gunzipSync(await buffer(encodeArchive(pieces(archive), 'gzip'))))).to.equal(true);
    expect(archive.equals(zstdDecompressSync(await buffer(encodeArchive(pieces(archive), 'zstd'))))).to.equal(true);
    expect(archive.equals(await buffer(encodeArchive(pieces(archive), 'raw')))).to.equal(true);
  });

  for (const encoding of ['raw', 'gzip', 'zstd'] as const) {
    it(`fails in ${encoding} with the archive's own error`, async () => {
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
  it('accepts raw, gzip and zstd, and names an unknown encoding', async () => {
    expect(['raw', 'gzip', 'zstd'].map((encoding) => checkEncoding(encoding, facts))).to.deep.equal([
      'raw',
      'gzip',
      'zstd',
    ]);
    expect(() => checkEncoding('s2', facts)).to.throw(UnsupportedEncodingError, 's2');
  });
});
