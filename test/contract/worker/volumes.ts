import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

import { expect } from 'chai';

import type { Volume, Worker } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { readTar, readTarText, tarOf } from '../../support/tar.ts';
import { makeContainer, sh, type WorkerSetup } from './setup.ts';

/** Specifies `Volume`, for any cluster. */
export function describeVolumes(setup: () => WorkerSetup): void {
  describe('a volume', () => {
    let worker: Worker;
    let volume: Volume;

    before(async () => {
      worker = await setup().open();
      volume = (await worker.createVolumeForArtifact('team')).volume;
    });

    after(async () => {
      await worker.expireArtifact(volume.handle);
      await worker.reap();
      await worker.close();
    });

    const upload = (path: string, bytes: Buffer, options = {}) =>
      volume.streamIn(path, Readable.from([bytes]), options);
    const textOf = async (path: string) => await readTarText(await volume.streamOut(path));

    it('rejects every source of text, and stores nothing of it', async () => {
      const archive = await tarOf({ 'f.bin': randomBytes(5000) });
      const text = (): Readable => Readable.from([archive]).setEncoding('latin1');
      for (const source of [text(), text, () => Promise.resolve(Readable.from([archive.toString('latin1')]))]) {
        const error = await rejection(volume.streamIn('text', source));
        expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'source' });
      }
      expect((await rejection(volume.streamOut('text'))).code).to.equal('KW_ERR_FILE_NOT_FOUND');
    });

    context('when an archive was streamed in', () => {
      it('streams out the same files, with the same bytes each time and from another instance of the worker [A16]', async () => {
        const content = randomBytes(700_001);
        const result = await upload('same', await tarOf({ 'a.txt': 'alpha', 'deep/er/b.bin': content, empty: null }));
        expect(result).to.include({ entries: 3 });
        expect(result.digest).to.match(/^[0-9a-f]{64}$/);
        const first = await buffer(await volume.streamOut('same'));
        const other = await setup().open();
        try {
          const found = await other.lookupVolume(volume.handle);
          const second = await buffer(await found!.streamOut('same'));
          expect(second.equals(first)).to.equal(true);
        } finally {
          await other.close();
        }
        const entries = await readTar(first);
        expect([...entries.keys()]).to.deep.equal(['a.txt', 'deep', 'deep/er', 'deep/er/b.bin', 'empty']);
        expect(entries.get('deep/er/b.bin')!.content.equals(content)).to.equal(true);
      });

      it('merges with existing files, and a file replaces a file', async () => {
        await upload('merge', await tarOf({ 'kept.txt': 'kept', 'sub/old.txt': 'old' }));
        await upload('merge', await tarOf({ 'sub/old.txt': 'new', 'sub/more.txt': 'more' }));
        expect(await textOf('merge')).to.deep.equal({
          'kept.txt': 'kept',
          'sub/old.txt': 'new',
          'sub/more.txt': 'more',
        });
      });

      it('streams out a file as an archive with one entry', async () => {
        await upload('single', await tarOf({ 'sub/one.txt': 'one', 'sub/two.txt': 'two' }));
        expect(await textOf('single/sub/one.txt')).to.deep.equal({ 'one.txt': 'one' });
      });

      it('accepts "", "." and "/" as the root', async () => {
        await upload('', await tarOf({ 'root.txt': 'root' }));
        for (const root of ['', '.', '/']) expect(await textOf(root)).to.include({ 'root.txt': 'root' });
      });

      it('reads a single file', async () => {
        await upload('read', await tarOf({ 'version.json': '{"ref":"abc"}' }));
        expect(Buffer.from(await volume.readFile('read/version.json')).toString()).to.equal('{"ref":"abc"}');
        expect((await rejection(volume.readFile('read/version.json', { limitBytes: 5 }))).code).to.equal(
          'KW_ERR_ARTIFACT_TOO_LARGE',
        );
        expect((await rejection(volume.readFile('read'))).code).to.equal('KW_ERR_PATH_CONFLICT');
        expect((await rejection(volume.readFile('read/none'))).code).to.equal('KW_ERR_FILE_NOT_FOUND');
      });

      it('keeps links, modes and empty folders', async () => {
        const archive = await tarOf({
          'run.sh': { mode: 0o755, content: 'exit 0' },
          'secret.txt': { mode: 0o600, content: 'secret' },
          hard: { type: 'link', linkname: 'run.sh' },
          soft: { type: 'symlink', linkname: '../anywhere/else' },
          'read-only': { type: 'directory', mode: 0o555 },
          'read-only/file': { mode: 0o444, content: 'file' },
        });
        await upload('kinds', archive);
        const entries = await readTar(await volume.streamOut('kinds'));
        const kinds = Object.fromEntries(
          [...entries].map(([name, { type, mode, linkname }]) => [name, [type, mode.toString(8), linkname]]),
        );
        expect(kinds).to.deep.equal({
          hard: ['file', '755', undefined],
          'read-only': ['directory', '555', undefined],
          'read-only/file': ['file', '444', undefined],
          'run.sh': ['link', '755', './hard'],
          'secret.txt': ['file', '600', undefined],
          soft: ['symlink', '777', '../anywhere/else'],
        });
      });

      it('is mounted in a container that has it as an input', async () => {
        await upload('', await tarOf({ 'input.txt': 'for the container' }));
        const { container, owner } = await makeContainer(worker, setup().image, {
          inputs: [{ artifact: volume, path: 'in' }],
        });
        expect((await sh(container, 'cat in/input.txt')).stdout).to.equal('for the container');
        await worker.ownerFinished(owner);
      });

      it('reports its digest and size', async () => {
        const { digest, rawBytes } = await upload('.', await tarOf({ 'status.txt': 'status' }));
        const status = await volume.status();
        expect(status).to.deep.include({ digest, sizeBytes: rawBytes });
        expect(status.readyAt).to.be.instanceOf(Date);
      });
    });

    context('with an encoding', () => {
      it('accepts and returns gzip and zstd [A37]', async () => {
        const archive = await tarOf({ 'encoded.txt': 'encoded '.repeat(10_000) });
        const gzip = await upload('gzip', gzipSync(archive), { encoding: 'gzip' });
        const zstd = await upload('zstd', zstdCompressSync(archive), { encoding: 'zstd' });
        expect([gzip.rawBytes, zstd.rawBytes]).to.deep.equal([archive.byteLength, archive.byteLength]);
        expect(gzip.bytes).to.be.lessThan(archive.byteLength);
        const raw = await buffer(await volume.streamOut('gzip'));
        expect(gunzipSync(await buffer(await volume.streamOut('gzip', { encoding: 'gzip' }))).equals(raw)).to.equal(
          true,
        );
        expect(
          zstdDecompressSync(await buffer(await volume.streamOut('zstd', { encoding: 'zstd' }))).equals(raw),
        ).to.equal(true);
      });

      it('accepts an archive without a closing block only if the encoding proves its end [A37]', async () => {
        const open = (await tarOf({ 'f.txt': 'open' })).subarray(0, -1024);
        const closed = Buffer.concat([open, Buffer.alloc(512)]);
        const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
        for (const [encoding, compress] of [
          ['gzip', gzipSync],
          ['zstd', zstdCompressSync],
        ] as const) {
          expect((await upload(`open/${encoding}`, compress(open), { encoding })).digest).to.equal(digestOf(open));
          expect(await textOf(`open/${encoding}`)).to.deep.equal({ 'f.txt': 'open' });
          const cut = await rejection(upload('open/cut', compress(open.subarray(0, -700)), { encoding }));
          expect(cut.code).to.equal('KW_ERR_TRUNCATED_ARCHIVE');
        }
        expect((await upload('open/raw', closed)).rawBytes).to.equal(closed.length);
        for (const [bytes, options] of [
          [open, {}],
          [Buffer.concat([gzipSync(open), Buffer.from('garbage')]), { encoding: 'gzip' }],
        ] as const)
          expect((await rejection(upload('open/cut', bytes, options))).code).to.equal('KW_ERR_TRUNCATED_ARCHIVE');
        await upload('open/garbage', Buffer.concat([gzipSync(closed), Buffer.from('garbage')]), { encoding: 'gzip' });
      });

      it('accepts zeros after the archive as padding', async () => {
        const archive = await tarOf({ 'f.txt': 'padded' });
        for (const [encoding, bytes] of [
          ['raw', archive],
          ['gzip', gzipSync(archive)],
          ['zstd', zstdCompressSync(archive)],
        ] as const)
          expect((await upload('padded', Buffer.concat([bytes, Buffer.alloc(10_240)]), { encoding })).entries).to.equal(
            1,
          );
      });

      it('rejects an unknown encoding before any transfer', async () => {
        const encoding = 's2' as 'raw';
        expect((await rejection(upload('none', Buffer.alloc(0), { encoding }))).code).to.equal(
          'KW_ERR_UNSUPPORTED_ENCODING',
        );
        expect((await rejection(volume.streamOut('.', { encoding }))).code).to.equal('KW_ERR_UNSUPPORTED_ENCODING');
      });
    });

    context('with unusual names', () => {
      const names = [
        'with space',
        "quo'te",
        'dou"ble',
        'new\nline',
        '-leading',
        '$(id)',
        ';semi',
        'emoji-🚀',
        'e\u0301-nfd',
        'é-nfc',
        'long'.repeat(60),
        'back\\slash',
      ];

      it('transfers each name, as an entry and as a path', async () => {
        for (const name of names) {
          await upload(`odd/${name}`, await tarOf({ [name]: name }));
          expect(await textOf(`odd/${name}`), name).to.deep.equal({ [name]: name });
        }
        const entries = await readTar(await volume.streamOut('odd'));
        expect([...entries.keys()].filter((entry) => !entry.includes('/')).sort()).to.deep.equal([...names].sort());
      });
    });

    context('when the archive is invalid', () => {
      const cases: Record<string, { bytes: () => Promise<Buffer>; code: string; encoding?: string }> = {
        'a corrupt gzip': {
          bytes: async () => Buffer.concat([gzipSync(await tarOf({ a: 'a' })).subarray(0, 20), Buffer.alloc(200, 7)]),
          code: 'KW_ERR_CORRUPT_ARCHIVE',
          encoding: 'gzip',
        },
        'data that is not gzip': {
          bytes: async () => await tarOf({ a: 'a' }),
          code: 'KW_ERR_CORRUPT_ARCHIVE',
          encoding: 'gzip',
        },
        'a gzip cut short': {
          bytes: async () => gzipSync(await tarOf({ a: randomBytes(5000) })).subarray(0, 3000),
          code: 'KW_ERR_TRUNCATED_ARCHIVE',
          encoding: 'gzip',
        },
        garbage: { bytes: async () => randomBytes(4096), code: 'KW_ERR_CORRUPT_ARCHIVE' },
        'an archive cut in an entry': {
          bytes: async () => (await tarOf({ a: randomBytes(5000) })).subarray(0, 3000),
          code: 'KW_ERR_TRUNCATED_ARCHIVE',
        },
        'an archive cut between entries': {
          bytes: async () => (await tarOf({ a: 'a', b: 'b' })).subarray(0, 1024),
          code: 'KW_ERR_TRUNCATED_ARCHIVE',
        },
        'an empty archive': { bytes: async () => Buffer.alloc(0), code: 'KW_ERR_TRUNCATED_ARCHIVE' },
        'an entry with ..': {
          bytes: async () => await tarOf({ '../out.txt': 'out' }),
          code: 'KW_ERR_UNSAFE_ARCHIVE_PATH',
        },
        'an absolute entry': {
          bytes: async () => await tarOf({ '/out.txt': 'out' }),
          code: 'KW_ERR_UNSAFE_ARCHIVE_PATH',
        },
        'an entry through a link': {
          bytes: async () => await tarOf({ link: { type: 'symlink', linkname: '/tmp' }, 'link/out.txt': 'out' }),
          code: 'KW_ERR_UNSAFE_ARCHIVE_PATH',
        },
        'a fifo': { bytes: async () => await tarOf({ pipe: { type: 'fifo' } }), code: 'KW_ERR_UNSUPPORTED_ENTRY' },
        'a folder where a file is': {
          bytes: async () => await tarOf({ 'before.txt': null }),
          code: 'KW_ERR_PATH_CONFLICT',
        },
      };

      for (const [what, { bytes, code, encoding = 'raw' }] of Object.entries(cases)) {
        it(`rejects ${what} with ${code}, and does not change the volume [A37]`, async () => {
          await upload('wrong', await tarOf({ 'before.txt': 'before' }));
          expect((await rejection(upload('wrong', await bytes(), { encoding }))).code).to.equal(code);
          expect(await textOf('wrong')).to.deep.equal({ 'before.txt': 'before' });
        });
      }
    });

    context('when the call is invalid', () => {
      it('rejects a path that leads out of the volume', async () => {
        expect((await rejection(upload('a/../../b', await tarOf({ a: 'a' })))).code).to.equal(
          'KW_ERR_UNSAFE_ARCHIVE_PATH',
        );
        expect((await rejection(volume.streamOut('../b'))).code).to.equal('KW_ERR_UNSAFE_ARCHIVE_PATH');
      });

      it('rejects a path that does not exist', async () => {
        const error = await rejection(volume.streamOut('no/such/path'));
        expect(error).to.include({ code: 'KW_ERR_FILE_NOT_FOUND', path: 'no/such/path', handle: volume.handle });
      });

      it('rejects more bytes than the limits allow, and stores nothing of them', async () => {
        const archive = await tarOf({ 'big.bin': Buffer.alloc(3_000_000) });
        expect(await rejection(upload('big', archive, { limitBytes: 1_000_000 }))).to.include({
          code: 'KW_ERR_ARTIFACT_TOO_LARGE',
          limitBytes: 1_000_000,
        });
        const bomb = gzipSync(archive);
        expect(await rejection(upload('big', bomb, { encoding: 'gzip', expandedLimitBytes: 500_000 }))).to.include({
          code: 'KW_ERR_ARTIFACT_TOO_LARGE',
          limitBytes: 500_000,
        });
        expect((await rejection(volume.streamOut('big/big.bin'))).code).to.equal('KW_ERR_FILE_NOT_FOUND');
      });

      it('rejects invalid limits', async () => {
        for (const limitBytes of [-1, 0, 1.5, Number.NaN])
          expect((await rejection(upload('.', Buffer.alloc(0), { limitBytes }))).code).to.equal('KW_ERR_INVALID_SPEC');
      });
    });

    context('when a transfer is interrupted', () => {
      it("rejects with the source's own error, and does not change the volume", async () => {
        await upload('cut', await tarOf({ 'before.txt': 'before' }));
        const archive = await tarOf({ 'after.bin': randomBytes(2_000_000) });
        const failure = new Error('the disk of the host is on fire');
        const source = Readable.from(
          (async function* () {
            yield archive.subarray(0, 1_000_000);
            throw failure;
          })(),
        );
        expect(await rejection(volume.streamIn('cut', source))).to.equal(failure);
        expect(await textOf('cut')).to.deep.equal({ 'before.txt': 'before' });
      });

      it('aborts an upload with the reason of its signal', async () => {
        const reason = new Error('enough');
        const abort = new AbortController();
        const archive = await tarOf({ 'after.bin': randomBytes(2_000_000) });
        const source = Readable.from(
          (async function* () {
            yield archive.subarray(0, 1_000_000);
            abort.abort(reason);
            await new Promise(() => {});
          })(),
        );
        expect(await rejection(volume.streamIn('aborted', source, { signal: abort.signal }))).to.equal(reason);
        expect((await rejection(volume.streamOut('aborted'))).code).to.equal('KW_ERR_FILE_NOT_FOUND');
      });

      it('aborts a download with the reason of its signal, or when its reader stops early, and the volume serves the next', async () => {
        await upload('large', await tarOf({ 'large.bin': randomBytes(8_000_000) }));
        const reason = new Error('enough');
        const abort = new AbortController();
        const aborted = await volume.streamOut('large', { signal: abort.signal });
        abort.abort(reason);
        expect(await rejection(buffer(aborted))).to.equal(reason);
        const destroyed = await volume.streamOut('large');
        for await (const chunk of destroyed) {
          expect(chunk).to.be.instanceOf(Buffer);
          break;
        }
        expect((await readTar(await volume.streamOut('large'))).get('large.bin')!.content.byteLength).to.equal(
          8_000_000,
        );
      });

      it('does nothing with an aborted signal', async () => {
        const signal = AbortSignal.abort(new Error('before'));
        expect(await rejection(volume.streamIn('.', Readable.from([]), { signal }))).to.equal(signal.reason);
        expect(await rejection(volume.streamOut('.', { signal }))).to.equal(signal.reason);
      });
    });
  });
}
