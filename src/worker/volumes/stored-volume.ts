import { Readable } from 'node:stream';

import type { ArchiveService } from '../../archives/archive-service.ts';
import type { CacheSource } from '../../caches/cache-copies.ts';
import type { Caches } from '../../caches/caches.ts';
import { checkEncoding, type DecodeOptions, encodeArchive } from '../../encodings/compression.ts';
import { SourceDecoder } from '../../encodings/source-decoder.ts';
import { InvalidSpecError } from '../../errors/caller.ts';
import { VolumeDisappearedError } from '../../errors/repository.ts';
import { PathConflictError } from '../../errors/transfer.ts';
import type { EmitEvent } from '../../events/emit-event.ts';
import { abortable } from '../../internal/abort.ts';
import type { ArchiveReference, VolumeRecord } from '../../repository/records.ts';
import type { VolumeRepository } from '../../repository/volume-repository.ts';
import type { InitializeCacheOptions, InitializeStreamedCacheOptions, TaskCacheKey } from '../../runtime/caches.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import type {
  Artifact,
  ReadFileOptions,
  StreamInOptions,
  StreamOutOptions,
  StreamResult,
  StreamSource,
  Volume,
  VolumeStatus,
} from '../../runtime/volume.ts';
import type { ArtifactStore, ReceivedArchive, SentArchive } from '../../stores/artifact-store.ts';
import type { OpenSpan, Tracing } from '../../telemetry/tracing.ts';
import { initializeCacheOptions, initializeStreamedCacheOptions, taskCacheKey } from '../../validation/cache-shapes.ts';
import { abortOptions, streamSource, text } from '../../validation/common-shapes.ts';
import { checkShape } from '../../validation/shape.ts';
import { readFileOptions, streamInOptions, streamOutOptions } from '../../validation/volume-shapes.ts';
import type { OpenStream, OpenStreams } from '../retention/open-streams.ts';
import { contentOf } from './content-of.ts';
import type { SealedContentComponents } from './sealed-content.ts';
import { isWhole, type TakenContent, type TakeOptions, type VolumeContent } from './volume-content.ts';

export interface VolumeComponents {
  readonly volumes: VolumeRepository;
  readonly store: ArtifactStore;
  readonly streams: Pick<OpenStreams, 'open'>;
  /** Runs work on the database, and retries it after retryable errors. */
  readonly retry: (work: () => Promise<void>, options: AbortOptions) => Promise<void>;
  readonly caches: Pick<Caches, 'keepTaskCache' | 'keepResourceCache'>;
  /** Runs the work of a call that `Worker.close` aborts and awaits. */
  readonly holding: <T>(work: (signal: AbortSignal) => Promise<T>, options: AbortOptions) => Promise<T>;
  readonly emit: EmitEvent;
  readonly tracing: Tracing;
  /** `undefined` for a worker without archive stores. */
  readonly archives: ArchiveService | undefined;
  /** What changes volumes without a pod. `undefined` for a worker without archive stores. */
  readonly sealed: SealedContentComponents | undefined;
  readonly logger: Logger;
}

/**
 * Returns the size of the archive that was last streamed in to the whole artifact, if this program
 * has it. The archive that the artifact sends may have another size.
 */
export function knownSizeOf(artifact: Artifact): number | undefined {
  return artifact instanceof StoredVolume ? artifact.sizeBytes : undefined;
}

/** Returns the handle of an artifact whose volume has a row in the database. */
export function storedHandleOf(artifact: Artifact): string | undefined {
  return artifact instanceof StoredVolume ? artifact.handle : undefined;
}

const defaultReadFileLimitBytes = 1024 * 1024;

/** A volume with its row in the database and its bytes in an artifact store. */
export class StoredVolume implements Volume {
  readonly handle: string;
  readonly source: string;
  readonly #content: VolumeContent;
  readonly #volumes: VolumeRepository;
  readonly #streams: VolumeComponents['streams'];
  readonly #isArtifact: boolean;
  readonly #caches: VolumeComponents['caches'];
  readonly #holding: VolumeComponents['holding'];
  readonly #emit: EmitEvent;
  readonly #tracing: Tracing;
  #sizeBytes: number | undefined;

  constructor(
    record: Pick<VolumeRecord, 'handle' | 'workerName' | 'kind' | 'store' | 'location' | 'sizeBytes'>,
    components: VolumeComponents,
  ) {
    this.handle = record.handle;
    this.source = record.workerName;
    this.#content = contentOf(record, components);
    this.#sizeBytes = record.sizeBytes;
    this.#volumes = components.volumes;
    this.#streams = components.streams;
    this.#isArtifact = record.kind === 'artifact';
    this.#caches = components.caches;
    this.#holding = components.holding;
    this.#emit = components.emit;
    this.#tracing = components.tracing;
  }

  /** The size of the last raw archive of the whole content, as far as this object has seen it. */
  get sizeBytes(): number | undefined {
    return this.#sizeBytes;
  }

  async streamIn(path: string, source: StreamSource, options: StreamInOptions = {}): Promise<StreamResult> {
    const decodeOptions = this.#check(path, source, options);
    const stream = this.#streams.open([this.handle]);
    try {
      const work = (): Promise<StreamResult> => this.#streamIn(path, source, options, decodeOptions);
      return await this.#tracing.span('volume.stream-in', { volumeHandle: this.handle }, work, options);
    } finally {
      await stream.close();
    }
  }

  async #streamIn(
    path: string,
    source: StreamSource,
    options: StreamInOptions & TakeOptions,
    decodeOptions: DecodeOptions,
  ): Promise<StreamResult> {
    const { signal, lease, progress, expandedLimitBytes } = options;
    const decoder = new SourceDecoder(source, decodeOptions);
    const filling = { signal, lease, progress, expandedLimitBytes, isProven: () => decoder.isProven };
    const received = await decoder.close(() => this.#content.receive(path, decoder.archive, filling));
    this.#filled(path, received);
    return {
      bytes: decoder.encodedBytes,
      rawBytes: received.rawBytes,
      digest: received.digest,
      entries: received.entries,
    };
  }

  /**
   * Copies the whole content of another artifact. Within one store the bytes are copied directly,
   * without decoding; the caller keeps the reaper from the artifact. Resolves with the size of the raw
   * archive when the content is ready.
   */
  async takeFrom(artifact: Artifact, options: TakeOptions = {}): Promise<Pick<ReceivedArchive, 'rawBytes'>> {
    const taken = artifact instanceof StoredVolume ? await this.#content.take(artifact.#content, options) : undefined;
    if (taken === undefined) {
      const { signal } = options;
      const open = (): Promise<Readable> => artifact.streamOut('.', { signal });
      return await this.#streamIn('.', open, options, this.#check('.', open, { signal }));
    }
    this.#filled('.', taken);
    return taken;
  }

  /** Returns the archive of the content, if these archive stores have it. */
  async archiveIn(archives: ArchiveService | undefined, options: AbortOptions): Promise<ArchiveReference | undefined> {
    const { archive, service } = await this.#content.locate(options);
    return archives !== undefined && service === archives ? archive : undefined;
  }

  async streamOut(path: string, options: StreamOutOptions = {}): Promise<Readable> {
    checkShape('path', text, path);
    checkShape('options', streamOutOptions, options);
    const { signal } = options;
    const encoding = checkEncoding(options.encoding ?? 'raw', { handle: this.handle, direction: 'out' });
    signal?.throwIfAborted();
    const span = this.#tracing.begin('volume.stream-out', { volumeHandle: this.handle });
    try {
      const stream = this.#streams.open([this.handle]);
      const { archive } = await span.within(() => this.#send(path, stream, { signal }));
      archive.once('end', () => this.#emit({ kind: 'volume-streamed-out', handle: this.handle, path }));
      endWithStream(span, archive, { signal });
      return encodeArchive(archive, encoding);
    } catch (error) {
      span.fail(error, { signal });
      throw error;
    }
  }

  async readFile(path: string, options: ReadFileOptions = {}): Promise<Uint8Array> {
    checkShape('path', text, path);
    checkShape('options', readFileOptions, options);
    const { signal, limitBytes = defaultReadFileLimitBytes } = options;
    checkLimit('limitBytes', limitBytes);
    const facts = { handle: this.handle, direction: 'out', path } as const;
    // Imported here, because no other method needs its parser of archives. Imported before the
    // archive opens: an archive that failed during the import would have no listener.
    const { readFileFrom } = await import('../../artifacts/read-file.ts');
    const stream = this.#streams.open([this.handle]);
    try {
      const { kind, archive } = await this.#send(path, stream, { signal });
      if (kind === 'file') return await readFileFrom(archive, { limitBytes, facts, signal });
      archive.destroy();
      throw new PathConflictError(facts, `it is a ${kind}, not a file`);
    } finally {
      await stream.close();
    }
  }

  /**
   * Opens an archive of the volume while the reaper leaves the volume alone. The stream ends with the
   * archive.
   */
  async #send(path: string, stream: OpenStream, { signal }: AbortOptions): Promise<SentArchive> {
    try {
      const sent = await this.#content.send(path, { signal });
      const { archive } = sent;
      archive.once('close', () => void stream.close());
      // Until now the archive has no other listener.
      archive.on('error', ignore);
      await abortable(stream.held, signal);
      archive.off('error', ignore);
      if (archive.errored !== null) throw archive.errored;
      return sent;
    } catch (error) {
      await stream.close();
      throw error;
    }
  }

  async status(options: AbortOptions = {}): Promise<VolumeStatus> {
    checkShape('options', abortOptions, options);
    const record = await this.#volumes.lookup(this.source, this.handle, options);
    if (record === undefined) throw new VolumeDisappearedError(this.handle, this.source);
    const { readyAt, digest, sizeBytes, unsavedAt, expiresAt } = record;
    const store = record.archive?.store ?? record.store;
    return { handle: this.handle, readyAt, digest, sizeBytes, store, unsavedAt, expiresAt };
  }

  async initializeTaskCache(key: TaskCacheKey, options: InitializeCacheOptions = {}): Promise<void> {
    checkShape('key', taskCacheKey, key);
    checkShape('options', initializeCacheOptions, options);
    await this.#copying(
      async (signal) =>
        await this.#caches.keepTaskCache(await this.#cacheSource({ signal }), key, { ...options, signal }),
      options,
    );
  }

  async initializeResourceCache(key: string, options: InitializeCacheOptions = {}): Promise<boolean> {
    checkShape('key', text, key);
    checkShape('options', initializeCacheOptions, options);
    return await this.#keepResourceCache(key, options);
  }

  async initializeStreamedResourceCache(key: string, options: InitializeStreamedCacheOptions): Promise<boolean> {
    checkShape('key', text, key);
    checkShape('options', initializeStreamedCacheOptions, options);
    return await this.#keepResourceCache(key, options);
  }

  async #keepResourceCache(
    key: string,
    options: InitializeCacheOptions & Partial<InitializeStreamedCacheOptions>,
  ): Promise<boolean> {
    return await this.#copying(
      async (signal) =>
        await this.#caches.keepResourceCache(await this.#cacheSource({ signal }), key, { ...options, signal }),
      options,
    );
  }

  /** Runs work that copies the volume, while the reaper leaves the volume alone. */
  async #copying<T>(work: (signal: AbortSignal) => Promise<T>, options: AbortOptions): Promise<T> {
    return await this.#holding(async (signal) => {
      const stream = this.#streams.open([this.handle]);
      try {
        return await work(signal);
      } finally {
        await stream.close();
      }
    }, options);
  }

  async #cacheSource(options: AbortOptions): Promise<CacheSource> {
    const { archive, open } = await this.#content.locate(options);
    return { handle: this.handle, isArtifact: this.#isArtifact, sizeBytes: this.#sizeBytes, archive, open };
  }

  /** Checks the parameters of a call. Destroys the source if they are invalid. */
  #check(path: string, source: StreamSource, options: StreamInOptions): DecodeOptions {
    const facts = { handle: this.handle, direction: 'in' } as const;
    try {
      checkShape('path', text, path);
      checkShape('source', streamSource, source);
      checkShape('options', streamInOptions, options);
      const { signal, limitBytes, expandedLimitBytes } = options;
      const encoding = checkEncoding(options.encoding ?? 'raw', facts);
      checkLimit('limitBytes', limitBytes);
      checkLimit('expandedLimitBytes', expandedLimitBytes);
      signal?.throwIfAborted();
      return { encoding, limitBytes, facts };
    } catch (error) {
      if (source instanceof Readable) source.destroy();
      throw error;
    }
  }

  #filled(path: string, { digest, rawBytes }: TakenContent): void {
    if (isWhole(path)) this.#sizeBytes = rawBytes;
    this.#emit({ kind: 'volume-filled', handle: this.handle, path, rawBytes, digest });
  }
}

/** Ends the span when the stream closes. A consumer that leaves it early has cancelled it. */
function endWithStream(span: OpenSpan, stream: Readable, { signal }: AbortOptions): void {
  stream.once('close', () => {
    if (stream.readableEnded) span.end();
    else span.fail(stream.errored, stream.errored === null ? { signal: AbortSignal.abort() } : { signal });
  });
}

function ignore(): void {}

function checkLimit(field: string, limit: number | undefined): void {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0))
    throw new InvalidSpecError(field, `${limit} is not a positive number of bytes`);
}
