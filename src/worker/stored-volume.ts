import { Readable } from 'node:stream';

import { checkEncoding, type DecodedArchive, decodeArchive, encodeArchive } from '../artifacts/compression.ts';
import { readFileFrom } from '../artifacts/read-file.ts';
import { InvalidSpecError } from '../errors/caller.ts';
import { VolumeDisappearedError } from '../errors/repository.ts';
import { PathConflictError } from '../errors/transfer.ts';
import type { VolumeRecord } from '../repository/records.ts';
import type { VolumeRepository } from '../repository/volume-repository.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ReadFileOptions, StreamInOptions, StreamOutOptions, StreamResult, Volume, VolumeStatus } from '../runtime/volume.ts';
import type { ArtifactStore, ReceivedArchive, ReceiveOptions, StoreLocation } from '../stores/artifact-store.ts';

/** What a volume works with. */
export interface VolumeComponents {
  readonly volumes: VolumeRepository;
  readonly store: ArtifactStore;
}

const defaultReadFileLimitBytes = 1024 * 1024;

/** A volume whose row is in the database and whose bytes are in an artifact store. */
export class StoredVolume implements Volume {
  readonly handle: string;
  readonly source: string;
  readonly #location: StoreLocation;
  readonly #volumes: VolumeRepository;
  readonly #store: ArtifactStore;

  constructor(record: Pick<VolumeRecord, 'handle' | 'workerName' | 'location'>, components: VolumeComponents) {
    this.handle = record.handle;
    this.source = record.workerName;
    this.#location = record.location;
    this.#volumes = components.volumes;
    this.#store = components.store;
  }

  async streamIn(path: string, source: Readable | AsyncIterable<Uint8Array>, options: StreamInOptions = {}): Promise<StreamResult> {
    const { signal, expandedLimitBytes } = options;
    const decoded = this.#decode(source, options);
    const received = await this.#receive(path, decoded.readable, { signal, expandedLimitBytes });
    // Not ended by the signal: the content is there.
    const isWhole = path === '' || path === '.' || path === '/';
    await this.#volumes.markReady(this.handle, isWhole ? { digest: received.digest, sizeBytes: received.rawBytes } : undefined);
    return { bytes: decoded.encodedBytes(), rawBytes: received.rawBytes, digest: received.digest, entries: received.entries };
  }

  async streamOut(path: string, { signal, ...options }: StreamOutOptions = {}): Promise<Readable> {
    const encoding = checkEncoding(options.encoding ?? 'raw', { handle: this.handle, direction: 'out' });
    signal?.throwIfAborted();
    const { archive } = await this.#store.send(this.#location, path, { signal });
    return encodeArchive(archive, encoding);
  }

  async readFile(path: string, { signal, limitBytes = defaultReadFileLimitBytes }: ReadFileOptions = {}): Promise<Uint8Array> {
    checkLimit('limitBytes', limitBytes);
    const facts = { handle: this.handle, direction: 'out', path } as const;
    const { kind, archive } = await this.#store.send(this.#location, path, { signal });
    if (kind === 'file') return await readFileFrom(archive, { limitBytes, facts, signal });
    archive.destroy();
    throw new PathConflictError(facts, `it is a ${kind}, not a file`);
  }

  async status(options: AbortOptions = {}): Promise<VolumeStatus> {
    const record = await this.#volumes.lookup(this.source, this.handle, options);
    if (record === undefined) throw new VolumeDisappearedError(this.handle, this.source);
    const { readyAt, digest, sizeBytes } = record;
    return { handle: this.handle, readyAt, digest, sizeBytes };
  }

  /** Checks what was asked for. The source of a call that cannot be done is let go of as well. */
  #decode(source: Readable | AsyncIterable<Uint8Array>, { signal, limitBytes, expandedLimitBytes, ...options }: StreamInOptions): DecodedArchive {
    const facts = { handle: this.handle, direction: 'in' } as const;
    try {
      const encoding = checkEncoding(options.encoding ?? 'raw', facts);
      checkLimit('limitBytes', limitBytes);
      checkLimit('expandedLimitBytes', expandedLimitBytes);
      signal?.throwIfAborted();
      return decodeArchive(source, { encoding, limitBytes, facts });
    } catch (error) {
      if (source instanceof Readable) source.destroy();
      throw error;
    }
  }

  /** Whatever it fails with, the source is let go of. */
  async #receive(path: string, archive: Readable, options: ReceiveOptions): Promise<ReceivedArchive> {
    try {
      return await this.#store.receive(this.#location, path, archive, options);
    } catch (error) {
      archive.destroy(error instanceof Error ? error : undefined);
      throw error;
    }
  }
}

function checkLimit(field: string, limit: number | undefined): void {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0))
    throw new InvalidSpecError(field, `${limit} is not a positive number of bytes`);
}
