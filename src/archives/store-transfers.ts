import { ArchiveDamagedError } from '../errors/store.ts';
import { DigestMismatchError } from '../errors/transfer.ts';
import { generatedReadable } from '../internal/generated-readable.ts';
import type { ArchiveContent, ArchiveReference } from '../repository/records.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import type { CopyOptions, ReceivedArchive, SentArchive, StoreLocation } from '../stores/artifact-store.ts';
import type { FrameSource, FrameStore } from '../stores/frame-store.ts';
import type { ArchiveTransfers, GivenArchive, WriteOptions } from './archive-transfers.ts';
import { HostArchive } from './host-archive.ts';
import { openEntry } from './open-entry.ts';
import { ProvenFrames } from './proven-frames.ts';
import { rawArchive } from './raw-archive.ts';
import { saveFrames } from './save-frames.ts';
import { type ReadLimits, StoredBytes } from './stored-bytes.ts';
import { StoredFrames } from './stored-frames.ts';
import { writeVerified } from './write-verified.ts';

/** The buffer of an archive that is read, in bytes. */
const BUFFER_BYTES: number = 128 * 1024;

/** Moves archives of the format in docs/archive-format.md. Bounds memory by a few frames. */
export class StoreTransfers implements ArchiveTransfers {
  readonly #limits: ReadLimits;

  constructor(limits: ReadLimits) {
    this.#limits = limits;
  }

  async save(
    store: ArchiveStore,
    key: string,
    source: FrameSource,
    { signal, progress }: AbortOptions & { readonly progress?: ((rawBytes: number) => void) | undefined } = {},
  ): Promise<ArchiveContent> {
    const frames = new ProvenFrames(await source({ signal }));
    const bytes = saveFrames(frames, { keepsChunks: store.keepsChunks ?? true, progress });
    const stop = (): void => frames.stop();
    const written = await writeVerified(store, key, { bytes, stop }, { signal });
    if (frames.end === undefined) throw new Error('the frames have no end');
    return { ...frames.end, ...written };
  }

  async relay(
    pods: FrameStore,
    from: StoreLocation,
    to: StoreLocation,
    options: CopyOptions = {},
  ): Promise<ReceivedArchive> {
    const source: FrameSource = async (opening) => new ProvenFrames(await pods.sendFrames(from, opening));
    return await pods.receiveFrames(to, source, options);
  }

  async write(
    store: ArchiveStore,
    key: string,
    archive: AsyncIterable<Uint8Array>,
    { signal, ...options }: WriteOptions = {},
  ): Promise<GivenArchive> {
    const given = new HostArchive(archive, options);
    const written = await writeVerified(store, key, given, { signal });
    return { ...given.result, ...written };
  }

  async load(
    store: ArchiveStore,
    archive: ArchiveReference,
    to: { readonly pods: FrameStore; readonly location: StoreLocation },
    options: CopyOptions = {},
  ): Promise<ReceivedArchive> {
    const source: FrameSource = (opening) => this.#frames(store, archive, opening);
    try {
      return await to.pods.receiveFrames(to.location, source, options);
    } catch (error) {
      // The stored bytes are those of the reference, so the reference has another raw digest.
      if (!(error instanceof DigestMismatchError)) throw error;
      throw new ArchiveDamagedError(archive, `its raw bytes do not have SHA-256 ${archive.digest}`, { cause: error });
    }
  }

  async open(
    store: ArchiveStore,
    archive: ArchiveReference,
    path: string,
    { signal }: AbortOptions = {},
  ): Promise<SentArchive> {
    const entry = await openEntry(
      path,
      async (options) => {
        const frames = await this.#frames(store, archive, options);
        return { bytes: rawArchive(frames, archive), stop: () => frames.stop() };
      },
      { signal },
    );
    const readable = generatedReadable(entry.bytes, { stop: () => entry.stop(), signal, bufferBytes: BUFFER_BYTES });
    // The reader receives the error, also if it has no listener yet.
    readable.on('error', () => undefined);
    return { kind: entry.kind, archive: readable };
  }

  async copy(
    from: { readonly store: ArchiveStore; readonly archive: ArchiveReference },
    to: { readonly store: ArchiveStore; readonly key: string },
    { signal }: AbortOptions = {},
  ): Promise<ArchiveContent> {
    const stored = await StoredBytes.open(from.store, from.archive, { ...this.#limits, signal });
    const stop = (reason: unknown): void => stored.stop(reason);
    const { rawBytes, digest } = from.archive;
    return {
      rawBytes,
      digest,
      ...(await writeVerified(to.store, to.key, { bytes: allOf(stored, to.store), stop }, { signal })),
    };
  }

  async #frames(store: ArchiveStore, archive: ArchiveReference, options: AbortOptions): Promise<StoredFrames> {
    return new StoredFrames(archive, await StoredBytes.open(store, archive, { ...this.#limits, ...options }));
  }
}

async function* allOf(
  stored: StoredBytes,
  { keepsChunks = true }: Pick<ArchiveStore, 'keepsChunks'>,
): AsyncGenerator<Uint8Array> {
  for (let bytes = await stored.next(); bytes !== undefined; bytes = await stored.next()) {
    yield bytes;
    if (!keepsChunks) stored.free(bytes);
  }
}
