import { randomBytes } from 'node:crypto';

import { expect } from 'chai';
import fc from 'fast-check';

import { RelayFeed, type UploadSink } from '../../../src/agent-client/transfer/upload-feed.ts';
import { type OutgoingFrame, UploadOutbox } from '../../../src/agent-client/transfer/upload-outbox.ts';
import { expandZstd } from '../../../src/agent-client/wire/data-compression.ts';
import { ProvenFrames } from '../../../src/archives/proven-frames.ts';
import { StoreTransfers } from '../../../src/archives/store-transfers.ts';
import { SharedMemory } from '../../../src/internal/shared-memory.ts';
import type { ArchiveFrame, ArchiveFrames, FrameStore } from '../../../src/stores/frame-store.ts';
import { framesOf, archiveKeyOfTests as key, referenceTo, ScriptedFrames, sha256 } from '../../support/archives.ts';
import { alone, MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

/** Frames of these bytes, each alone in memory that is freed. */
function freedFramesOf(raw: Buffer, frameBytes: number): ArchiveFrame[] {
  return framesOf(raw, frameBytes).map((frame) => {
    const bytes = alone(frame.bytes);
    return { ...frame, bytes, memory: new SharedMemory(bytes) };
  });
}

function scripted(frames: readonly ArchiveFrame[], batch: number, raw: Buffer): ScriptedFrames {
  const batches = Array.from({ length: Math.ceil(frames.length / batch) }, (_, index) =>
    frames.slice(index * batch, (index + 1) * batch),
  );
  return new ScriptedFrames(batches, { rawBytes: raw.length, digest: sha256(raw) });
}

const heldBytes = (frames: readonly ArchiveFrame[]): number =>
  frames.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);

/**
 * The receiving end of an upload: splits raw frames at the room of its window, and acknowledges the
 * bytes only when it is full. It then reads the frames that were not acknowledged a second time, as
 * after a lost connection.
 */
class Window implements UploadSink {
  readonly received: Uint8Array[] = [];
  readonly #outbox = new UploadOutbox(() => undefined);
  readonly #windowBytes: number;
  #frames: OutgoingFrame[] = [];
  #acknowledged = 0;
  reserved = 0;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
    // As if every frame had been written to the connection.
    const channel = { write: async () => {}, send: () => undefined, abandon: () => undefined };
    this.#outbox.resume(channel, { from: 0, isEnded: false, takesProof: false });
  }

  async reserve(want: number): Promise<number> {
    if (this.reserved - this.#acknowledged >= this.#windowBytes) await this.acknowledge();
    const bytes = Math.min(want, this.#windowBytes - (this.reserved - this.#acknowledged));
    this.reserved += bytes;
    return bytes;
  }

  async reserveWhole(bytes: number): Promise<void> {
    if (this.reserved + bytes - this.#acknowledged > this.#windowBytes) await this.acknowledge();
    this.reserved += bytes;
  }

  add(frame: OutgoingFrame): Promise<void> | undefined {
    this.#frames.push(frame);
    return this.#outbox.add(frame);
  }

  async acknowledge(): Promise<void> {
    for (const { encoding, pieces, rawLength } of this.#frames) {
      const bytes = Buffer.concat(pieces);
      this.received.push(encoding === 'raw' ? bytes : await expandZstd(bytes, rawLength));
    }
    this.#frames = [];
    this.#acknowledged = this.reserved;
    this.#outbox.acknowledge(this.reserved);
  }

  async wait<T>(promise: PromiseLike<T>): Promise<T> {
    return await promise;
  }

  async waitForSource<T>(promise: PromiseLike<T>): Promise<T> {
    return await promise;
  }

  touch(): void {}

  fail(error: unknown): void {
    throw error;
  }
}

describe('the memory of frames', () => {
  const load = fc.record({
    bytes: fc.integer({ min: 1, max: 60_000 }),
    frameBytes: fc.integer({ min: 400, max: 9_000 }),
    batch: fc.integer({ min: 1, max: 9 }),
    window: fc.integer({ min: 9_000, max: 30_000 }),
  });
  const rawOf = (bytes: number): Buffer => randomBytes(bytes).fill('text ', 0, Math.floor(bytes / 3));
  const transfers = new StoreTransfers({ clock: new VirtualClock(), stallMs: 60_000 });
  const write = async (bytes: Buffer, store = new MemoryArchiveStore({ keepsChunks: false })) => {
    const frames = async () => scripted(framesOf(bytes), 1, bytes);
    return { store, archive: referenceTo(await transfers.save(store, key, frames)) };
  };

  it('is freed when a store that keeps no chunks has taken them, and their digest is computed', async () => {
    await fc.assert(
      fc.asyncProperty(load, async ({ bytes, frameBytes, batch }) => {
        const raw = rawOf(bytes);
        const frames = freedFramesOf(raw, frameBytes);
        const store = new MemoryArchiveStore({ keepsChunks: false });
        const content = await transfers.save(store, key, async () => scripted(frames, batch, raw));
        expect(content).to.include({ rawBytes: raw.length, digest: sha256(raw) });
        expect(sha256(store.archives.get(key)!.bytes)).to.equal(content.storedDigest);
        expect(heldBytes(frames)).to.equal(0);
      }),
      { numRuns: 40 },
    );
  });

  it('is left to a store that keeps chunks', async () => {
    const raw = rawOf(30_000);
    const frames = freedFramesOf(raw, 1_000);
    const before = heldBytes(frames);
    await transfers.save(new MemoryArchiveStore(), key, async () => scripted(frames, 3, raw));
    expect(heldBytes(frames)).to.equal(before);
  });

  it('is freed when an agent has acknowledged them, from a pod and from a store, and not before', async () => {
    await fc.assert(
      fc.asyncProperty(load, fc.boolean(), async ({ bytes, frameBytes, batch, window }, isStored) => {
        const raw = rawOf(bytes);
        const seen: ArchiveFrame[] = [];
        const receive = async (source: ArchiveFrames): Promise<void> => {
          const sink = new Window(window);
          const next = async (): Promise<readonly ArchiveFrame[]> => {
            const frames = await source.next();
            seen.push(...frames);
            return frames;
          };
          const watched = { next, passed: (frame: ArchiveFrame) => source.passed(frame), stop: () => source.stop() };
          await new RelayFeed({ ...watched, end: { rawBytes: 0, digest: '' } }).sendTo(sink);
          await sink.acknowledge();
          expect(sha256(Buffer.concat(sink.received))).to.equal(sha256(raw));
        };
        if (isStored) {
          const { store, archive } = await write(raw);
          const receiveFrames: FrameStore['receiveFrames'] = async (_location, source) => {
            await receive(await source({}));
            return { rawBytes: raw.length, digest: archive.digest, entries: 1 };
          };
          await transfers.load(store, archive, {
            pods: { receiveFrames } as FrameStore,
            location: { volume: 'v' },
          });
        } else await receive(new ProvenFrames(scripted(freedFramesOf(raw, frameBytes), batch, raw)));
        // Small frames of a store share a buffer of Node.
        const alive = seen.filter(({ bytes: left }) => left.byteLength === left.buffer.byteLength && left.length > 0);
        expect(alive).to.deep.equal([]);
      }),
      { numRuns: 60 },
    );
  });
});
