import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

import { expect } from 'chai';

import { freeBytes } from '../../../src/internal/free-bytes.ts';
import type { ArchiveStore } from '../../../src/stores/archive-store.ts';
import { rejection } from '../../support/rejection.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { allOf, contentOf, inChunks, seededBytes, sha256 } from '../../support/stores/archive-bytes.ts';
import { alone } from '../../support/stores/memory-archive-store.ts';
import { Tripwire } from '../../support/tripwire.ts';

export interface ArchiveStoreSuite {
  /** Opens an empty store. Called once; the suite closes the store. */
  readonly open: () => Promise<ArchiveStore>;
  /** The size in which the store sends bytes. Sizes around it are tested. @defaultValue 64 KiB */
  readonly partBytes?: number;
  /** How many keys one list has; more than a page. @defaultValue 25 */
  readonly listedKeys?: number;
  /** How many aborts at random moments there are, of writes and of reads. @defaultValue 20 */
  readonly aborts?: number;
  /** The size of an archive that no memory holds. @defaultValue there is none */
  readonly largeBytes?: number;
  /** Returns how many bytes a server has sent to the store. @defaultValue there is no server, or it is not observed */
  readonly sentBytes?: () => number;
  /** Whether the store frees the chunks of what it passes on. @defaultValue it keeps chunks */
  readonly keepsNoChunks?: boolean;
}

/** Describes what every `ArchiveStore` does. Each test has keys of its own. */
export function describeArchiveStore(title: string, suite: ArchiveStoreSuite): void {
  const { open, partBytes = 65_536, listedKeys = 25, aborts = 20, largeBytes, sentBytes } = suite;
  let store: ArchiveStore;
  let tripwire: Tripwire;
  let keys = 0;
  const newKey = (): string => `contract/${(keys++ % 256).toString(16).padStart(2, '0')}/a.b-${keys}-1.tar.zst`;
  const write = async (key: string, bytes: Buffer) => await store.write(key, inChunks(bytes));
  const read = async (key: string, offset?: number) => await contentOf(await store.read(key, { offset }));
  const listed = async (prefix: string) => await allOf(store.list(prefix));
  const expectMissing = async (key: string) =>
    expect(await rejection(store.read(key))).to.include({ code: 'KW_ERR_ARCHIVE_MISSING', store: store.name, key });
  /** The length of a key's bytes, or of none, twice: nothing changes later. */
  const settled = async (key: string): Promise<readonly (number | undefined)[]> => {
    const length = async () => (await listed(key)).map(({ storedBytes }) => storedBytes)[0];
    const first = await length();
    await delay(5);
    return [first, await length()];
  };

  describe(title, () => {
    before(async () => {
      tripwire = await Tripwire.set();
      store = await open();
    });

    after(async () => {
      await store.close();
      await store.close();
      await tripwire.check();
    });

    it('can be used after it was opened', async () => {
      await store.probe();
      const usage = await store.usage();
      if (usage !== undefined) expect(usage.freeBytes).to.be.within(0, usage.totalBytes);
    });

    for (const [name, length] of [
      ['no bytes', 0],
      ['one byte', 1],
      ['one byte less than a part', partBytes - 1],
      ['exactly a part', partBytes],
      ['one byte more than a part', partBytes + 1],
      ['exactly three parts', 3 * partBytes],
      ['some parts and a half', Math.floor(4.5 * partBytes)],
    ] as const)
      it(`returns the bytes that were written: ${name}`, async () => {
        const [key, bytes] = [newKey(), seededBytes(length)];
        expect(await write(key, bytes)).to.deep.equal({ storedBytes: length, storedDigest: sha256(bytes) });
        expect((await read(key)).equals(bytes)).to.equal(true);
        expect((await listed(key)).map((archive) => [archive.key, archive.storedBytes])).to.deep.equal([[key, length]]);
      });

    if (largeBytes !== undefined)
      it(`returns the bytes that were written: ${largeBytes / 1_048_576} MiB`, async () => {
        const [key, piece, written, read] = [
          newKey(),
          seededBytes(1_048_573),
          createHash('sha256'),
          createHash('sha256'),
        ];
        async function* pieces(): AsyncGenerator<Uint8Array> {
          for (let left = largeBytes!; left > 0; left -= piece.length) {
            const bytes = piece.subarray(0, left);
            written.update(bytes);
            yield bytes;
          }
        }
        const { storedBytes, storedDigest } = await store.write(key, pieces());
        const digest = written.digest('hex');
        expect({ storedBytes, storedDigest }).to.deep.equal({ storedBytes: largeBytes, storedDigest: digest });
        for await (const chunk of (await store.read(key)) as AsyncIterable<Uint8Array>) read.update(chunk);
        expect(read.digest('hex')).to.equal(digest);
        expect(await store.delete(key)).to.equal(true);
      }).timeout(600_000);

    it('does not depend on the sizes of the chunks that are written', async () => {
      const [key, bytes] = [newKey(), seededBytes(2 * partBytes + 3)];
      async function* chunks(): AsyncGenerator<Uint8Array> {
        yield bytes.subarray(0, 1);
        yield bytes.subarray(1, 1);
        yield bytes.subarray(1, partBytes + 2);
        yield bytes.subarray(partBytes + 2);
      }
      await store.write(key, chunks());
      expect((await read(key)).equals(bytes)).to.equal(true);
    });

    it('has taken a chunk when it asks for the next one', async () => {
      const [key, bytes] = [newKey(), seededBytes(1000)];
      async function* reused(): AsyncGenerator<Uint8Array> {
        const buffer = Buffer.alloc(100);
        for (let at = 0; at < bytes.length; at += 100) {
          bytes.copy(buffer, 0, at, at + 100);
          yield buffer;
        }
      }
      await store.write(key, reused());
      expect((await read(key)).equals(bytes)).to.equal(true);
    });

    if (suite.keepsNoChunks === true)
      it('does not use the chunks that it does not keep', async () => {
        expect(store.keepsChunks).to.equal(false);
        const [key, bytes] = [newKey(), seededBytes(3 * partBytes + 1)];
        async function* freed(): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < bytes.length; at += 70_001) {
            const chunk = alone(bytes.subarray(at, at + 70_001));
            yield chunk;
            chunk.fill(0xaa);
            freeBytes(chunk);
            expect(chunk).to.have.lengthOf(0);
          }
        }
        await store.write(key, freed());
        const parts: Buffer[] = [];
        for await (const chunk of (await store.read(key)) as AsyncIterable<Buffer>) {
          parts.push(Buffer.from(chunk));
          chunk.fill(0xaa);
          freeBytes(chunk);
        }
        expect(Buffer.concat(parts).equals(bytes)).to.equal(true);
        expect((await read(key)).equals(bytes)).to.equal(true);
      });

    it('reads from an offset to the end', async () => {
      const [key, bytes] = [newKey(), seededBytes(partBytes + 10)];
      await write(key, bytes);
      for (const offset of [0, 1, partBytes, partBytes + 9, partBytes + 10])
        expect((await read(key, offset)).equals(bytes.subarray(offset)), `from ${offset}`).to.equal(true);
    });

    it('accepts every character that a key may have', async () => {
      const key = '0123456789-abcdefghij/klmnop.qrst/uvwxyz.0-1';
      await write(key, seededBytes(10));
      expect(await read(key)).to.have.lengthOf(10);
      expect(await listed('0123456789-')).to.have.lengthOf(1);
      expect(await store.delete(key)).to.equal(true);
    });

    it('keeps similar keys apart', async () => {
      const keys = ['similar/ab/c-1', 'similar/ab/c-11', 'similar/ab/c', 'similar/abc/1'];
      for (const [index, key] of keys.entries()) await write(key, seededBytes(10, index));
      expect(await store.delete('similar/ab/c')).to.equal(true);
      for (const [index, key] of keys.entries())
        if (key === 'similar/ab/c') await expectMissing(key);
        else expect((await read(key)).equals(seededBytes(10, index)), key).to.equal(true);
    });

    it('rejects the read of a key without an archive with ArchiveMissingError', async () => {
      await expectMissing(newKey());
    });

    describe('list', () => {
      it('returns every archive with the prefix, over all pages', async () => {
        const expected = Array.from({ length: listedKeys }, (_, index) => `listed/0${index % 4}/a-${index}`);
        for (let at = 0; at < expected.length; at += 16)
          await Promise.all(expected.slice(at, at + 16).map((key, index) => write(key, seededBytes(at + index))));
        await write('listed-too/00/a', seededBytes(1));
        const all = await listed('listed/');
        expect(all.map(({ key }) => key).sort()).to.deep.equal(expected.toSorted());
        for (const { key, storedBytes, modifiedAt } of all) {
          expect(storedBytes, key).to.equal(expected.indexOf(key));
          expect(Math.abs(modifiedAt.getTime() - Date.now())).to.be.lessThan(3_600_000);
        }
        expect((await listed('listed/02/')).map(({ key }) => key).sort()).to.deep.equal(
          expected.filter((key) => key.startsWith('listed/02/')).toSorted(),
        );
      });

      it('returns nothing for a prefix without archives', async () => {
        expect(await listed('nothing-here/')).to.deep.equal([]);
      });

      it('releases what it holds when the caller leaves it early', async () => {
        const key = newKey();
        await write(key, seededBytes(1));
        for await (const archive of store.list('contract/')) {
          expect(archive.key).to.be.a('string');
          break;
        }
      });

      it('rejects with the reason of a signal that has aborted', async () => {
        const reason = new Error('enough');
        const list = store.list('contract/', { signal: AbortSignal.abort(reason) });
        expect(await rejection(allOf(list))).to.equal(reason);
      });
    });

    describe('delete', () => {
      it('removes an archive, and resolves with false when there is none', async () => {
        const key = newKey();
        await write(key, seededBytes(partBytes + 1));
        expect(await store.delete(key)).to.equal(true);
        await expectMissing(key);
        expect(await listed(key)).to.deep.equal([]);
        expect(await store.delete(key)).to.equal(false);
      });

      it('removes what a failed write has left', async () => {
        const key = newKey();
        async function* failing(): AsyncGenerator<Uint8Array> {
          yield* inChunks(seededBytes(Math.floor(2.5 * partBytes)));
          throw new Error('source');
        }
        await rejection(store.write(key, failing()));
        await store.delete(key);
        expect(await listed(key)).to.deep.equal([]);
        await expectMissing(key);
        expect(await store.delete(key)).to.equal(false);
      });
    });

    describe('a write', () => {
      for (const parts of [0, 0.5, 1, 2.5])
        it(`rejects with the error of a source that fails after ${parts} parts, and leaves nothing to read`, async () => {
          const [key, failure] = [newKey(), new Error('source')];
          async function* failing(): AsyncGenerator<Uint8Array> {
            yield* inChunks(seededBytes(Math.floor(parts * partBytes)));
            throw failure;
          }
          expect(await rejection(store.write(key, failing()))).to.equal(failure);
          await expectMissing(key);
        });

      it('reads nothing and stores nothing if the signal has aborted before', async () => {
        const [key, reason] = [newKey(), new Error('enough')];
        let reads = 0;
        async function* counted(): AsyncGenerator<Uint8Array> {
          reads += 1;
          yield seededBytes(1);
        }
        const writing = store.write(key, counted(), { signal: AbortSignal.abort(reason) });
        expect(await rejection(writing)).to.equal(reason);
        expect(reads).to.equal(0);
        await expectMissing(key);
      });

      it('has no effect after an abort at any moment', async () => {
        const random = seededRandom(14);
        const bytes = seededBytes(4 * partBytes);
        for (let round = 0; round < aborts; round += 1) {
          const [key, reason, abort] = [newKey(), new Error('enough'), new AbortController()];
          const after = Math.floor(random() * bytes.length);
          let [passed, ended] = [0, false];
          async function* aborting(): AsyncGenerator<Uint8Array> {
            try {
              for await (const chunk of inChunks(bytes, round)) {
                passed += chunk.length;
                if (passed > after) setTimeout(() => abort.abort(reason), random() * 5);
                yield chunk;
              }
              if (!abort.signal.aborted) await once(abort.signal, 'abort');
            } finally {
              ended = true;
            }
          }
          expect(await rejection(store.write(key, aborting(), { signal: abort.signal }))).to.equal(reason);
          expect(ended, 'the source has ended').to.equal(true);
          const [first, later] = await settled(key);
          expect(later, 'later').to.equal(first);
          await store.delete(key);
          expect(await settled(key)).to.deep.equal([undefined, undefined]);
        }
      });

      it('rejects with the reason of its signal while the source gives nothing', async () => {
        const [key, reason, abort] = [newKey(), new Error('enough'), new AbortController()];
        async function* stalled(): AsyncGenerator<Uint8Array> {
          yield* inChunks(seededBytes(Math.floor(1.5 * partBytes)));
          setTimeout(() => abort.abort(reason), 5);
          await new Promise(() => undefined);
        }
        expect(await rejection(store.write(key, stalled(), abort))).to.equal(reason);
        await expectMissing(key);
      });

      it('rejects without a change of the first bytes if the key exists', async () => {
        for (const length of [10, 2 * partBytes]) {
          const [key, bytes] = [newKey(), seededBytes(length)];
          await write(key, bytes);
          const second = await rejection(store.write(key, inChunks(seededBytes(length, 2))));
          expect(second).to.have.property('retryable', false);
          expect((await read(key)).equals(bytes)).to.equal(true);
        }
      });

      it('stores the bytes of exactly one of two writers of one key at the same time', async () => {
        for (const length of [10, 2 * partBytes]) {
          const key = newKey();
          const contents = [seededBytes(length, 1), seededBytes(length, 2)];
          const written = await Promise.allSettled(contents.map((bytes) => write(key, bytes)));
          const winners = contents.filter((_, index) => written[index]!.status === 'fulfilled');
          expect(winners).to.have.lengthOf(1);
          expect((await read(key)).equals(winners[0]!)).to.equal(true);
        }
      });

      it('does not disturb writes and reads of other keys at the same time', async () => {
        const written = Array.from({ length: 8 }, (_, index) => ({
          key: newKey(),
          bytes: seededBytes(Math.floor(index * 0.4 * partBytes) + 1, index),
        }));
        await Promise.all(written.map(({ key, bytes }) => write(key, bytes)));
        const contents = await Promise.all(written.map(({ key }) => read(key)));
        for (const [index, { key, bytes }] of written.entries())
          expect(contents[index]!.equals(bytes), key).to.equal(true);
      });
    });

    describe('a read', () => {
      if (sentBytes !== undefined)
        it('does not run ahead of a slow reader', async () => {
          const [key, bytes] = [newKey(), seededBytes(160 * 1_048_576)];
          await write(key, bytes);
          const before = sentBytes();
          const stream = await store.read(key);
          stream.once('readable', () => {});
          await once(stream, 'readable');
          await delay(500);
          // The operating system's buffers of a connection have less than the half.
          expect(sentBytes() - before).to.be.within(1, bytes.length / 2);
          expect(sha256(await contentOf(stream))).to.equal(sha256(bytes));
          expect(sentBytes() - before).to.be.at.least(bytes.length);
        });

      it('releases everything when it is destroyed at any moment', async () => {
        const random = seededRandom(15);
        const [key, bytes] = [newKey(), seededBytes(4 * partBytes)];
        await write(key, bytes);
        for (let round = 0; round < aborts; round += 1) {
          const stream = await store.read(key);
          const after = Math.floor(random() * bytes.length);
          let passed = 0;
          for await (const chunk of stream as AsyncIterable<Uint8Array>) if ((passed += chunk.length) > after) break;
          expect(stream.destroyed).to.equal(true);
        }
        expect((await read(key)).equals(bytes)).to.equal(true);
      });

      it('is destroyed with the reason of its signal', async () => {
        const random = seededRandom(16);
        const [key, bytes] = [newKey(), seededBytes(4 * partBytes)];
        await write(key, bytes);
        for (let round = 0; round < aborts; round += 1) {
          const [abort, reason, after] = [new AbortController(), new Error('enough'), random() * bytes.length];
          const reading = async (): Promise<void> => {
            let passed = 0;
            for await (const chunk of (await store.read(key, abort)) as AsyncIterable<Uint8Array>)
              if ((passed += chunk.length) > after) abort.abort(reason);
            abort.signal.throwIfAborted();
          };
          expect(await rejection(reading())).to.equal(reason);
        }
      });

      it('rejects with the reason of a signal that has aborted before', async () => {
        const [key, reason] = [newKey(), new Error('enough')];
        await write(key, seededBytes(1));
        expect(await rejection(store.read(key, { signal: AbortSignal.abort(reason) }))).to.equal(reason);
      });
    });
  });
}
