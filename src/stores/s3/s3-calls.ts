import type { Readable } from 'node:stream';

import type { AbortOptions } from '../../runtime/options.ts';
import type { ListedArchive } from '../archive-store.ts';

/** A part that the server has stored. */
export interface UploadedPart {
  readonly number: number;
  readonly etag: string;
  /** The CRC-32 of the part, if the upload has checksums. */
  readonly checksum: string | undefined;
}

/** The requests that an upload needs. Keys are those of archives. */
export interface UploadCalls {
  putObject(key: string, bytes: Uint8Array, options?: AbortOptions): Promise<void>;
  /** Returns the ID of a new upload. */
  createMultipartUpload(key: string, options?: AbortOptions): Promise<string>;
  uploadPart(
    key: string,
    uploadId: string,
    number: number,
    bytes: Uint8Array,
    options?: AbortOptions,
  ): Promise<UploadedPart>;
  completeMultipartUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    options?: AbortOptions,
  ): Promise<void>;
  /** Also resolves if the upload no longer exists. */
  abortMultipartUpload(key: string, uploadId: string, options?: AbortOptions): Promise<void>;
}

/** An object whose bytes are being sent. */
export interface OpenedObject {
  readonly body: Readable;
  /** The version of the object. `undefined` if the server has sent none. */
  readonly etag: string | undefined;
  /** The offset of the first byte of the body. */
  readonly start: number;
  /** The size of the whole object. */
  readonly totalBytes: number;
}

export interface GetOptions extends AbortOptions {
  readonly offset: number;
  /** The version that the object must have. @defaultValue any */
  readonly etag?: string | undefined;
}

/** An upload that is neither complete nor aborted. */
export interface PendingUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly startedAt: Date;
}

/** The other requests of the store. */
export interface ObjectCalls {
  /** Returns `undefined` if the object has no byte at the offset. */
  getObject(key: string, options: GetOptions): Promise<OpenedObject | undefined>;
  exists(key: string, options?: AbortOptions): Promise<boolean>;
  deleteObject(key: string, options?: AbortOptions): Promise<void>;
  listObjects(prefix: string, options?: AbortOptions): AsyncIterable<ListedArchive>;
  listUploads(prefix: string, options?: AbortOptions): AsyncIterable<PendingUpload>;
  /** Resolves if the bucket can be listed. */
  probe(options?: AbortOptions): Promise<void>;
}
