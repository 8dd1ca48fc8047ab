import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createZstdCompress, zstdDecompressSync } from 'node:zlib';

import { expect } from 'chai';
import fc from 'fast-check';
import { pack } from 'tar-stream';

import { ArchiveWriter } from '../../../../src/archives/format/archive-writer.ts';
import { MAX_RAW_BYTES } from '../../../../src/archives/format/zstd-frame.ts';
import { decodeArchive } from '../../../../src/encodings/compression.ts';
import { ProtocolViolationError } from '../../../../src/errors/connection.ts';
import { ArchiveDamagedError } from '../../../../src/errors/store.ts';
import type { ArchiveFrame } from '../../../../src/stores/frame-store.ts';
import { framesOf, rawFrame, storedBytes, zstdFrame } from './archive-bytes.ts';

const text = (bytes: number): Buffer => Buffer.alloc(bytes, 'some text, again and again ');
const mixed = [zstdFrame(text(MAX_RAW_BYTES)), rawFrame(randomBytes(MAX_RAW_BYTES)), zstdFrame(text(3000))];

function rawBytes(frames: readonly ArchiveFrame[]): Buffer {
  return Buffer.concat(frames.map(({ encoding, bytes }) => (encoding === 'raw' ? bytes : zstdDecompressSync(bytes))));
}

const anyFrame = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 400 }).map(rawFrame),
  // Below about 100 bytes zstd stores what it cannot compress as raw blocks.
  fc.integer({ min: 200, max: 5000 }).map((bytes) => zstdFrame(text(bytes))),
);

/** Skips the test, with the reason, if the machine does not have the program. */
function skipWithout(context: Mocha.Context, program: string): void {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
  } catch {
    console.log(`      skipped: ${program} is not installed`);
    context.skip();
  }
}

describe('the format of archives', () => {
  it('returns the frames that were written, in any chunking', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), sizes, (frames, chunks) => {
        const read = framesOf(storedBytes(frames), chunks);
        expect(read.map(({ encoding, rawLength }) => ({ encoding, rawLength }))).to.deep.equal(
          frames.map(({ encoding, rawLength }) => ({ encoding, rawLength })),
        );
        expect(rawBytes(read).equals(rawBytes(frames))).to.equal(true);
      }),
    );
  });

  it('returns frames of the largest size', () => {
    expect(rawBytes(framesOf(storedBytes(mixed), [65_536])).equals(rawBytes(mixed))).to.equal(true);
  });

  it('rejects any truncation', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { minLength: 1, maxLength: 4 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (frames, at) => {
          const stored = storedBytes(frames);
          const cut = Math.min(stored.length - 1, Math.floor(at * stored.length));
          expect(() => framesOf(stored.subarray(0, cut))).to.throw(ArchiveDamagedError, 'it ends early');
        },
      ),
    );
  });

  it('rejects any change of a byte of its structure, and of its seek table', () => {
    const frames = [rawFrame(Buffer.from('ab')), zstdFrame(text(300))];
    const stored = storedBytes(frames);
    for (let at = 0; at < stored.length; at += 1) {
      const changed = Buffer.from(stored);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x80, at);
      try {
        // A change within the content of a frame is left to the digests.
        expect(rawLengths(framesOf(changed))).to.deep.equal(rawLengths(frames), `byte ${at}`);
        expect(at).to.be.lessThan(stored.length - 33);
      } catch (error) {
        expect(error).to.be.instanceOf(ArchiveDamagedError, `byte ${at}`);
      }
    }
  });

  it('rejects a seek table that does not agree with the frames', () => {
    const [one, other] = [zstdFrame(text(1000)), zstdFrame(text(1001))];
    const [a, b] = [storedBytes([one]), storedBytes([other])];
    const swapped = Buffer.concat([one.bytes, b.subarray(other.bytes.length)]);
    expect(() => framesOf(a)).not.to.throw();
    expect(() => framesOf(swapped)).to.throw(ArchiveDamagedError, 'its seek table does not agree with its frames');
  });

  it('rejects bytes after the seek table', () => {
    const stored = storedBytes(mixed);
    for (const garbage of [Buffer.alloc(1), stored])
      expect(() => framesOf(Buffer.concat([stored, garbage]))).to.throw(
        ArchiveDamagedError,
        'archive a/b/c in store "s3" is damaged: bytes follow its seek table',
      );
  });

  it('rejects a frame that is too large, or that has no content size', async () => {
    const table = storedBytes([]);
    const large = zstdFrame(text(MAX_RAW_BYTES + 1)).bytes;
    expect(() => framesOf(Buffer.concat([large, table]))).to.throw(ArchiveDamagedError, 'raw bytes, not 1 to 262144');
    const huge = zstdFrame(randomBytes(2 * MAX_RAW_BYTES)).bytes;
    expect(() => framesOf(Buffer.concat([huge, table]), [1000])).to.throw(ArchiveDamagedError, 'is larger than 263168');
    const sizeless = await buffer(Readable.from([text(1000)]).pipe(createZstdCompress()));
    expect(() => framesOf(Buffer.concat([sizeless, table]))).to.throw(ArchiveDamagedError, 'has no content size');
    expect(() => framesOf(Buffer.alloc(100))).to.throw(ArchiveDamagedError, 'something other than a frame');
  });

  it('refuses frames of a sender that declares another length, or sends something else than one frame', () => {
    const frame = zstdFrame(text(1000));
    const refused: ArchiveFrame[] = [
      { ...frame, rawLength: 999 },
      { ...frame, bytes: Buffer.concat([frame.bytes, frame.bytes]) },
      { ...frame, bytes: frame.bytes.subarray(1) },
      { ...frame, bytes: frame.bytes.subarray(0, -1) },
      { ...rawFrame(text(10)), rawLength: 9 },
      rawFrame(Buffer.alloc(0)),
      rawFrame(Buffer.alloc(MAX_RAW_BYTES + 1)),
    ];
    for (const each of refused) expect(() => new ArchiveWriter().add(each)).to.throw(ProtocolViolationError);
  });

  it('is read by the decoder of sources, in any chunking', async () => {
    for (const size of [1000, 70_000]) {
      const stored = storedBytes(mixed);
      const chunks = Array.from({ length: Math.ceil(stored.length / size) }, (_, at) =>
        stored.subarray(at * size, (at + 1) * size),
      );
      const decoded = decodeArchive(Readable.from(chunks), { encoding: 'zstd', facts: {} });
      expect((await buffer(decoded.readable)).equals(rawBytes(mixed))).to.equal(true);
      expect(decoded.isProven()).to.equal(true);
    }
  });

  it("is read by Node's decoder frame by frame", () => {
    const [first] = mixed;
    const stored = storedBytes(first === undefined ? [] : [first]);
    expect(zstdDecompressSync(stored).equals(text(MAX_RAW_BYTES))).to.equal(true);
  });

  it('is read by zstd -d', function (this: Mocha.Context) {
    skipWithout(this, 'zstd');
    const decoded = execFileSync('zstd', ['-d', '-c'], { input: storedBytes(mixed), maxBuffer: 2 ** 24 });
    expect(decoded.equals(rawBytes(mixed))).to.equal(true);
  });

  it('is read by tar --zstd', async function (this: Mocha.Context) {
    skipWithout(this, 'zstd');
    skipWithout(this, 'tar');
    const archive = pack();
    archive.entry({ name: 'file', mtime: new Date(0) }, 'content');
    archive.finalize();
    const stored = storedBytes([rawFrame(await buffer(archive))]);
    expect(execFileSync('tar', ['--zstd', '-xOf', '-', 'file'], { input: stored }).toString()).to.equal('content');
  });
});

function rawLengths(frames: readonly ArchiveFrame[]): number[] {
  return frames.map(({ rawLength }) => rawLength);
}
