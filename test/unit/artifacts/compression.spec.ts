import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

import { expect } from 'chai';
import fc from 'fast-check';

import { checkEncoding, decodeArchive, encodeArchive } from '../../../src/artifacts/compression.ts';
import { ArtifactTooLargeError, CorruptArchiveError, TruncatedArchiveError, UnsupportedEncodingError } from '../../../src/errors/transfer.ts';
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

function pieces(bytes: Buffer, size = 10_000): Readable {
  return Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })(),
  );
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
        expect(archive.equals(await buffer(decodeArchive(pieces(encoded[encoding]), { encoding, facts, limitBytes }).readable))).to.equal(true);
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
        expect(await failureOf(decodeArchive(pieces(changed), { encoding, facts }).readable)).to.be.instanceOf(CorruptArchiveError);
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

      it('tells that something else follows the data', async () => {
        const source = pieces(Buffer.concat([whole, Buffer.from('and something else')]));
        expect(await failureOf(decodeArchive(source, { encoding, facts }).readable)).to.be.instanceOf(CorruptArchiveError);
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
    expect(['raw', 'gzip', 'zstd'].map((encoding) => checkEncoding(encoding, facts))).to.deep.equal(['raw', 'gzip', 'zstd']);
    expect(() => checkEncoding('s2', facts)).to.throw(UnsupportedEncodingError, 's2');
  });
});
