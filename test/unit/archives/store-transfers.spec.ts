import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { zstdCompressSync } from 'node:zlib';

import { expect } from 'chai';

import { StoreTransfers } from '../../../src/archives/store-transfers.ts';
import { ProtocolViolationError } from '../../../src/errors/connection.ts';
import { ArchiveDamagedError, ArchiveMissingError, StoreUnavailableError } from '../../../src/errors/store.ts';
import { DigestMismatchError, DiskFullError, TruncatedArchiveError } from '../../../src/errors/transfer.ts';
import type { ArchiveReference } from '../../../src/repository/records.ts';
import type { ArchiveFrame, FrameSource, FrameStore } from '../../../src/stores/frame-store.ts';
import { framesOf, archiveKeyOfTests as key, referenceTo, ScriptedFrames, sha256 } from '../../support/archives.ts';
import { rejection } from '../../support/rejection.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';
import { tarOf } from '../../support/tar.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';
import { storedBytes } from './format/archive-bytes.ts';

const raw = Buffer.concat([Buffer.alloc(60_000, 'text that is easy to compress '), randomBytes(40_001)]);
const location = { pod: 'p' };

/** Reads all frames of a source, as an agent does, and compares the digest at the end. */
class Receiver implements FrameStore {
  readonly frames: ArchiveFrame[] = [];
  readonly #digest: string;

  /** @param digest - of the raw bytes that the agent has received */
  constructor(digest: string) {
    this.#digest = digest;
  }

  async receiveFrames(
    _location: unknown,
    source: FrameSource,
  ): Promise<{ rawBytes: number; digest: string; entries: number }> {
    const frames = await source({});
    for (let batch = await frames.next(); batch.length > 0; batch = await frames.next()) {
      this.frames.push(...batch);
      for (const frame of batch) frames.passed(frame);
    }
    if (frames.end?.digest !== this.#digest) throw new DigestMismatchError({}, 'differs');
    return { rawBytes: frames.end.rawBytes, digest: this.#digest, entries: 1 };
  }

  sendFrames(): never {
    throw new Error('unused');
  }

  digestOf(): never {
    throw new Error('unused');
  }
}

describe('StoreTransfers', () => {
  let clock: VirtualClock;
  let transfers: StoreTransfers;
  let store: MemoryArchiveStore;

  beforeEach(() => {
    clock = new VirtualClock();
    transfers = new StoreTransfers({ clock, stallMs: 60_000 });
    store = new MemoryArchiveStore();
  });

  afterEach(() => {
    expect(clock.sleeping).to.equal(0);
  });

  async function saved(bytes = raw): Promise<ArchiveReference> {
    return referenceTo(await transfers.save(store, key, async () => ScriptedFrames.of(bytes)));
  }

  function change(change: (stored: Buffer) => Buffer): void {
    const archive = store.archives.get(key)!;
    archive.bytes = change(Buffer.from(archive.bytes));
  }

  describe('save()', () => {
    it('stores the frames, and resolves with both sizes and digests', async () => {
      const frames = ScriptedFrames.of(raw);
      const content = await transfers.save(store, key, async () => frames);
      const stored = store.archives.get(key)!.bytes;
      expect(content).to.deep.equal({
        rawBytes: raw.length,
        digest: sha256(raw),
        storedBytes: stored.length,
        storedDigest: sha256(stored),
      });
      expect(frames.passedFrames).to.have.length(11);
      expect(stored.equals(storedBytes(frames.passedFrames))).to.equal(true);
    });

    it('leaves the bytes of frames to a store that has asked for more', async () => {
      const rawBytes = Array.from({ length: 6 }, (_, index) => Buffer.allocUnsafeSlow(1_000).fill(index));
      const frames = rawBytes.map((bytes): ArchiveFrame => ({ encoding: 'raw', rawLength: 1_000, bytes }));
      const [expected, digest] = [storedBytes(frames), sha256(Buffer.concat(rawBytes))];
      store.write = async (_key, bytes) => {
        const whole = await buffer(bytes);
        expect(whole.equals(expected)).to.equal(true);
        return { storedBytes: whole.length, storedDigest: sha256(whole) };
      };
      await transfers.save(store, key, async () => new ScriptedFrames([frames], { rawBytes: 6_000, digest }));
    });

    it('reports a frame as passed only after the store has taken its bytes', async () => {
      const frames = ScriptedFrames.of(raw);
      const passed: number[] = [];
      store.write = async (_key, bytes) => {
        for await (const _chunk of bytes) passed.push(frames.passedFrames.length);
        return { storedBytes: 0, storedDigest: '' };
      };
      await rejection(transfers.save(store, key, async () => frames));
      // A raw frame is a header, the header of a block and the block; a compressed one is itself.
      expect(passed.slice(0, 8)).to.deep.equal([0, 0, 0, 1, 2, 2, 2, 3]);
    });

    it('reports the progress in raw bytes', async () => {
      const steps: number[] = [];
      await transfers.save(store, key, async () => ScriptedFrames.of(raw.subarray(0, 25_000)), {
        progress: (rawBytes) => steps.push(rawBytes),
      });
      expect(steps).to.deep.equal([10_000, 20_000, 25_000]);
    });

    for (const [what, end] of [
      ['digest', { digest: sha256(Buffer.from('other')) }],
      ['size', { rawBytes: raw.length + 1 }],
    ] as const)
      it(`rejects if the frames do not decode to the ${what} that the agent has sent`, async () => {
        const frames = ScriptedFrames.of(raw, end);
        expect(await rejection(transfers.save(store, key, async () => frames))).to.be.instanceOf(DigestMismatchError);
        expect(store.archives.size).to.equal(0);
      });

    it('rejects a frame that cannot be decoded', async () => {
      const text = raw.subarray(0, 50_000);
      const bytes = zstdCompressSync(text);
      bytes.fill(0xff, 12);
      bytes.writeUIntLE(((bytes.length - 12) << 3) | (2 << 1) | 1, 9, 3);
      const frame: ArchiveFrame = { encoding: 'zstd', rawLength: text.length, bytes };
      const frames = new ScriptedFrames([[frame]], { rawBytes: text.length, digest: sha256(text) });
      expect(await rejection(transfers.save(store, key, async () => frames))).to.be.instanceOf(ProtocolViolationError);
      expect(store.archives.size).to.equal(0);
    });

    it('rejects if the store has received other bytes', async () => {
      const write = store.write.bind(store);
      store.write = async (...parts) => ({ ...(await write(...parts)), storedDigest: sha256(Buffer.from('other')) });
      expect(await rejection(saved())).to.be.instanceOf(ArchiveDamagedError);
    });

    it('rejects if the store ends before the last byte', async () => {
      store.write = async () => ({ storedBytes: 0, storedDigest: sha256(Buffer.alloc(0)) });
      expect(await rejection(saved())).to.be.instanceOf(ArchiveDamagedError);
    });

    it("rejects with the frames' own error, also if the store replaces it", async () => {
      const failure = new Error('the pod is gone');
      for (const replaces of [false, true]) {
        const write = MemoryArchiveStore.prototype.write.bind(store);
        store.write = async (...parts) => {
          try {
            return await write(...parts);
          } catch (error) {
            throw replaces ? new Error('a source has failed') : error;
          }
        };
        const frames = new ScriptedFrames([failure], { rawBytes: 0, digest: '' });
        expect(await rejection(transfers.save(store, key, async () => frames))).to.equal(failure);
        expect(frames.stops).to.be.greaterThan(0);
      }
    });

    it('stops the frames if the store fails while it waits for them', async () => {
      const full = new DiskFullError({}, 'no room');
      const frames = new ScriptedFrames([[]], { rawBytes: 0, digest: '' });
      store.write = async (_key, bytes) => {
        void bytes[Symbol.asyncIterator]().next();
        await settle();
        throw full;
      };
      expect(await rejection(transfers.save(store, key, async () => frames))).to.equal(full);
      expect(frames.stops).to.be.greaterThan(0);
      await settle();
    });

    it('rejects with the reason of the signal, stops the frames and removes its listeners', async () => {
      const frames = new ScriptedFrames([[]], { rawBytes: 0, digest: '' });
      const [stop, reason] = [new AbortController(), new Error('stopped')];
      const saving = rejection(transfers.save(store, key, async () => frames, { signal: stop.signal }));
      await settle();
      stop.abort(reason);
      expect(await saving).to.equal(reason);
      expect(frames.stops).to.be.greaterThan(0);
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
    });
  });

  it('stops the frames of a save whose signal aborts while they are opened', async () => {
    const [frames, stop, reason] = [ScriptedFrames.of(raw), new AbortController(), new Error('stopped')];
    const opened = async (): Promise<ScriptedFrames> => {
      stop.abort(reason);
      return frames;
    };
    expect(await rejection(transfers.save(store, key, opened, { signal: stop.signal }))).to.equal(reason);
    expect(frames.stops).to.be.greaterThan(0);
    expect(store.archives.size).to.equal(0);
  });

  describe('relay()', () => {
    /** Pods whose agents are in the hands of one user: the receiver accepts whatever the sender declares. */
    const pods = (frames: ScriptedFrames, claimed = sha256(raw)): Receiver & FrameStore =>
      Object.assign(new Receiver(claimed), { sendFrames: async () => frames });

    it('passes the frames on as they are', async () => {
      const frames = ScriptedFrames.of(raw);
      const both = pods(frames);
      const received = await transfers.relay(both, { pod: 'from' }, { pod: 'to' });
      expect(received).to.deep.equal({ rawBytes: raw.length, digest: sha256(raw), entries: 1 });
      expect(both.frames).to.deep.equal(framesOf(raw));
      expect(frames.passedFrames).to.have.length(11);
    });

    for (const [what, end] of [
      ['digest', { digest: sha256(Buffer.from('an archive of another team')) }],
      ['size', { rawBytes: raw.length + 1 }],
    ] as const)
      it(`rejects if both agents agree on a ${what} that the frames do not have`, async () => {
        const both = pods(ScriptedFrames.of(raw, end), { digest: sha256(raw), ...end }.digest);
        const relayed = transfers.relay(both, { pod: 'from' }, { pod: 'to' });
        expect(await rejection(relayed)).to.be.instanceOf(DigestMismatchError);
      });
  });

  describe('load()', () => {
    it('passes the frames on as they are, with the size and digest of the reference', async () => {
      const text = raw.subarray(0, 50_000);
      const archive = await saved(text);
      const pods = new Receiver(archive.digest);
      const received = await transfers.load(store, archive, { pods, location });
      expect(received).to.deep.equal({ rawBytes: text.length, digest: sha256(text), entries: 1 });
      expect(pods.frames.map(({ encoding }) => encoding)).to.deep.equal(['raw', 'zstd', 'raw', 'zstd', 'raw']);
      expect(storedBytes(pods.frames).equals(store.archives.get(key)!.bytes)).to.equal(true);
    });

    it('rejects if the agent has received other raw bytes than those of the reference', async () => {
      const archive = await saved();
      const pods = new Receiver(sha256(Buffer.from('other')));
      const error = await rejection(transfers.load(store, archive, { pods, location }));
      expect(error).to.be.instanceOf(ArchiveDamagedError);
      expect(error.cause).to.be.instanceOf(DigestMismatchError);
    });

    it('gives the agent no end if the stored bytes have another digest', async () => {
      const archive = await saved();
      // A change within the content of a raw frame, which leaves the structure as it is.
      change((stored) => stored.fill(0, 100, 101).fill(1, 101, 102));
      const pods = new Receiver(archive.digest);
      const error = await rejection(transfers.load(store, archive, { pods, location }));
      expect(error).to.be.instanceOf(ArchiveDamagedError).and.to.include({ store: 'memory', key });
      expect(error.message).to.include('its bytes have SHA-256');
    });

    it('rejects with ArchiveMissingError if the store has no such archive', async () => {
      const archive = await saved();
      store.archives.clear();
      const loading = transfers.load(store, archive, { pods: new Receiver(archive.digest), location });
      expect(await rejection(loading)).to.be.instanceOf(ArchiveMissingError);
    });
  });

  describe('open() of the root', () => {
    it('returns the raw archive', async () => {
      const opened = await transfers.open(store, await saved(), '.');
      expect(opened.kind).to.equal('directory');
      expect((await buffer(opened.archive)).equals(raw)).to.equal(true);
    });

    const damages: Readonly<Record<string, (stored: Buffer) => Buffer>> = {
      'is truncated': (stored) => stored.subarray(0, -1),
      'is empty': () => Buffer.alloc(0),
      'has further bytes': (stored) => Buffer.concat([stored, Buffer.alloc(1)]),
      'has a changed byte': (stored) => stored.fill(stored[5_000]! ^ 1, 5_000, 5_001),
    };
    for (const [what, damage] of Object.entries(damages))
      it(`fails before its end if the archive ${what}`, async () => {
        const archive = await saved();
        change(damage);
        const error = await rejection(transfers.open(store, archive, '').then((opened) => buffer(opened.archive)));
        expect(error).to.be.instanceOf(ArchiveDamagedError);
      });

    it('fails before its end if the reference has another raw digest', async () => {
      const archive = { ...(await saved()), digest: sha256(Buffer.from('other')) };
      const error = await rejection(buffer((await transfers.open(store, archive, '')).archive));
      expect(error).to.be.instanceOf(ArchiveDamagedError);
      expect(error.message).to.include('its raw bytes have SHA-256');
    });

    it('fails if the store provides no byte for too long, at the opening and later', async () => {
      const archive = await saved();
      const silent = new PassThrough();
      store.read = async () => silent;
      const reading = rejection(transfers.open(store, archive, '').then((opened) => buffer(opened.archive)));
      await clock.advance(80_000);
      expect(await reading).to.be.instanceOf(StoreUnavailableError);
      expect(silent.destroyed).to.equal(true);
      store.read = () => new Promise(() => {});
      const opening = rejection(transfers.open(store, archive, ''));
      await clock.advance(80_000);
      expect(await opening).to.be.instanceOf(StoreUnavailableError);
    });

    it('does not time out while its reader pauses', async () => {
      const large = randomBytes(2_000_000);
      const opened = await transfers.open(store, await saved(large), '');
      opened.archive.read(1);
      await settle();
      await clock.advance(600_000);
      expect(opened.archive.errored).to.equal(null);
      opened.archive.destroy();
      await settle();
    });

    it("fails with the store's own error", async () => {
      const archive = await saved();
      const failure = new StoreUnavailableError({ store: 'memory', key }, 'cut');
      store.read = async () =>
        Readable.from(
          (async function* () {
            yield Buffer.alloc(1, 0x28);
            throw failure;
          })(),
        );
      const opened = await transfers.open(store, archive, '');
      expect(await rejection(buffer(opened.archive))).to.equal(failure);
    });

    it('closes the connection to the store when it is destroyed, and when the signal aborts', async () => {
      const archive = await saved();
      for (const way of ['destroy', 'abort'] as const) {
        const pending = new PassThrough();
        store.read = async () => pending;
        const stop = new AbortController();
        const opened = await transfers.open(store, archive, '', { signal: stop.signal });
        const failure = rejection(buffer(opened.archive));
        await settle();
        if (way === 'destroy') opened.archive.destroy(new Error('enough'));
        else stop.abort(new Error('enough'));
        expect((await failure).message).to.equal('enough');
        expect(pending.destroyed).to.equal(true);
        expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
      }
    });
  });

  describe('copy()', () => {
    it('copies the stored bytes, and verifies them', async () => {
      const [archive, other] = [await saved(), new MemoryArchiveStore({ name: 'other' })];
      const content = await transfers.copy({ store, archive }, { store: other, key: 'a/b/c' });
      expect(referenceTo(content)).to.deep.equal(archive);
      expect(other.archives.get('a/b/c')!.bytes.equals(store.archives.get(key)!.bytes)).to.equal(true);
    });

    it('rejects if the bytes of the source are damaged, and leaves nothing', async () => {
      const [archive, other] = [await saved(), new MemoryArchiveStore({ name: 'other' })];
      change((stored) => stored.fill(0, 500, 501).fill(1, 501, 502));
      const copying = transfers.copy({ store, archive }, { store: other, key: 'a/b/c' });
      expect(await rejection(copying)).to.be.instanceOf(ArchiveDamagedError);
      expect(other.archives.size).to.equal(0);
    });

    it("rejects with the target's own error, and closes the source", async () => {
      const [archive, failure] = [await saved(), new DiskFullError({}, 'no room')];
      const pending = new PassThrough();
      store.read = async () => pending;
      const other = new MemoryArchiveStore({
        fault: () => {
          throw failure;
        },
      });
      expect(await rejection(transfers.copy({ store, archive }, { store: other, key: 'a/b/c' }))).to.equal(failure);
      expect(pending.destroyed).to.equal(true);
    });
  });

  describe('write()', () => {
    it('stores the archive, compressed where that saves space, with its facts', async () => {
      const archive = await tarOf({
        dir: null,
        'dir/text': 'all the same '.repeat(50_000),
        noise: randomBytes(300_000),
      });
      const given = await transfers.write(store, key, Readable.from([archive]));
      expect(given).to.deep.include({
        rawBytes: archive.length,
        digest: sha256(archive),
        entries: 3,
        expandedBytes: 950_000,
        isPlain: true,
      });
      expect(given.storedBytes).to.be.lessThan(archive.length / 2);
      const opened = await transfers.open(store, referenceTo(given), '');
      expect((await buffer(opened.archive)).equals(archive)).to.equal(true);
    });

    it('requires a closing block, unless the encoding has proven the end: then it adds one', async () => {
      const whole = await tarOf({ file: 'content' });
      const archive = whole.subarray(0, 1024);
      expect(await rejection(transfers.write(store, key, Readable.from([archive])))).to.be.instanceOf(
        TruncatedArchiveError,
      );
      expect(store.archives.size).to.equal(0);
      const given = await transfers.write(store, key, Readable.from([archive]), { isProven: () => true });
      const opened = await transfers.open(store, referenceTo(given), '');
      expect((await buffer(opened.archive)).equals(whole)).to.equal(true);
    });

    it("rejects with the source's own error, and with the signal's reason while the source is silent", async () => {
      const failure = new Error('broken');
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield (await tarOf({ file: 'content' })).subarray(0, 700);
        throw failure;
      }
      expect(await rejection(transfers.write(store, key, broken()))).to.equal(failure);
      const [silent, stop] = [new PassThrough(), new AbortController()];
      const writing = rejection(transfers.write(store, key, silent, { signal: stop.signal }));
      await settle();
      stop.abort(failure);
      expect(await writing).to.equal(failure);
      expect(silent.destroyed).to.equal(true);
    });
  });
});
