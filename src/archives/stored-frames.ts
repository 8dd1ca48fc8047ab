import { ClosedError } from '../errors/caller.ts';
import { ArchiveDamagedError } from '../errors/store.ts';
import type { ArchiveReference } from '../repository/records.ts';
import type { ArchiveFrame, ArchiveFrames, FramesEnd } from '../stores/frame-store.ts';
import { ArchiveReader } from './format/archive-reader.ts';
import type { StoredBytes } from './stored-bytes.ts';

/**
 * The frames of an archive in a store, neither decoded nor encoded. They end only after the stored
 * bytes were verified. The end is that of the archive's reference: the receiver compares it.
 */
export class StoredFrames implements ArchiveFrames {
  readonly #archive: ArchiveReference;
  readonly #bytes: StoredBytes;
  readonly #reader: ArchiveReader;
  #end: FramesEnd | undefined;

  constructor(archive: ArchiveReference, bytes: StoredBytes) {
    this.#archive = archive;
    this.#bytes = bytes;
    this.#reader = new ArchiveReader(archive);
  }

  get end(): FramesEnd | undefined {
    return this.#end;
  }

  async next(): Promise<readonly ArchiveFrame[]> {
    try {
      return await this.#next();
    } catch (error) {
      this.#bytes.stop(error);
      throw error;
    }
  }

  /** Nothing is read before `next`. */
  passed(): void {
    // The store is read only as fast as the frames are.
  }

  stop(): void {
    this.#bytes.stop(new ClosedError('the archive'));
  }

  async #next(): Promise<readonly ArchiveFrame[]> {
    while (this.#end === undefined) {
      const bytes = await this.#bytes.next();
      const frames = bytes === undefined ? [] : this.#reader.push(bytes);
      if (bytes === undefined) this.#finish();
      else this.#bytes.free(bytes);
      if (frames.length > 0) return frames;
    }
    return [];
  }

  #finish(): void {
    this.#reader.end();
    const { rawBytes, digest } = this.#archive;
    if (this.#reader.rawBytes !== rawBytes)
      throw new ArchiveDamagedError(this.#archive, `it has ${this.#reader.rawBytes} raw bytes, not ${rawBytes}`);
    this.#end = { rawBytes, digest };
  }
}
