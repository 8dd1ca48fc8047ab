import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';

import type { TransferFacts } from '../../errors/transfer.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { OperationOpener, PlaceUntil } from '../session/operation-opener.ts';
import { Download } from '../transfer/download.ts';
import type { TransferRunner } from '../transfer/transfer-runner.ts';
import { ByteFeed } from '../transfer/upload-feed.ts';
import { transferFailure } from '../wire/agent-error.ts';
import type { ControlObject, Fields } from '../wire/control.ts';
import { type AgentArchive, readArchiveList } from './archive-list.ts';

/** The bytes of an archive file, as the agent has counted and hashed them. */
export interface WrittenFile {
  readonly bytes: number;
  /** SHA-256 in hex. */
  readonly sha256: string;
}

/** The size of the agent's folder of archives. */
export interface ArchivesUsage {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export interface ReadFileOptions extends AbortOptions {
  /** The offset of the first byte to read. @defaultValue 0 */
  readonly offset?: number | undefined;
}

export interface AgentArchivesComponents {
  readonly opener: OperationOpener;
  readonly transfers: TransferRunner;
  readonly podName: string;
}

/**
 * The archive files of a store pod's agent: immutable files under keys `a/b/c`, which are written
 * once. Calls reject with the library's errors: `DiskFullError`, `NotPermittedError` (with the path)
 * and `VolumeIoError` for a failure of the file system, and `OperationLostError` if the agent could
 * not be reached.
 */
export class AgentArchives {
  readonly #components: AgentArchivesComponents;

  constructor(components: AgentArchivesComponents) {
    this.#components = components;
  }

  /**
   * Writes a new file. Resumes over lost connections, but never begins again: the key is used once.
   * Resolves when the agent has flushed and closed the file, and has compared its size and digest.
   * After a rejection the key may have no, some or all bytes; `delete` removes them. Ends the source
   * on failure, and rejects with its own error where it fails.
   *
   * @throws PathConflictError - the key exists
   * @throws DiskFullError, NotPermittedError, VolumeIoError, DigestMismatchError,
   * TransferStalledError, OperationLostError
   * @throws OutcomeUnknownError - every byte was sent, and the agent could not be reached to confirm
   * the file
   */
  async write(key: string, bytes: AsyncIterable<Uint8Array>, { signal }: AbortOptions = {}): Promise<WrittenFile> {
    const fields = { op: 'archive-write', key };
    // A write that began again would undo a deletion of the key that happened in between.
    const request = { fields, facts: this.#facts(key), id: writeId(key), mayRestart: false, opensAtOnce: true };
    const written = await this.#components.transfers.uploadTo(request, new ByteFeed(bytes), { signal });
    return { bytes: written.bytes, sha256: written.sha256 };
  }

  /**
   * Opens a file. The readable continues after lost connections. It ends only when both ends agree
   * on count and digest of the bytes from the offset on, and fails with `FileChangedError` if the
   * file shrinks during the read. The signal and the end of the readable release the connection.
   *
   * @throws FileNotFoundError - the key does not exist
   */
  async read(key: string, { offset = 0, signal }: ReadFileOptions = {}): Promise<Readable> {
    return await this.#open({ op: 'archive-read', key, offset }, this.#facts(key), signal);
  }

  /**
   * Ends a write of the file that still runs, and then deletes the file. Resolves with `false` if
   * there was no file.
   */
  async delete(key: string, options: AbortOptions = {}): Promise<boolean> {
    await this.#run({ op: 'remove', operation: writeId(key) }, this.#facts(key), options, 'sent');
    const fields = await this.#run({ op: 'archive-delete', key }, this.#facts(key), options, 'sent');
    return fields.boolean('existed');
  }

  /**
   * Lists the files whose keys begin with the prefix, in any order. Fails if the list cannot be read
   * to its end.
   */
  async *list(prefix: string, { signal }: AbortOptions = {}): AsyncGenerator<AgentArchive> {
    yield* readArchiveList(await this.#open({ op: 'archive-list', prefix }, this.#facts(prefix), signal));
  }

  /** Returns the size of the file system of the archives. */
  async usage(options: AbortOptions = {}): Promise<ArchivesUsage> {
    const fields = await this.#run({ op: 'archive-usage' }, { podName: this.#components.podName }, options);
    return { totalBytes: fields.count('totalBytes'), freeBytes: fields.count('freeBytes') };
  }

  #facts(key: string): TransferFacts {
    return { podName: this.#components.podName, path: key };
  }

  async #open(fields: ControlObject, facts: TransferFacts, signal: AbortSignal | undefined): Promise<Readable> {
    const { transfers } = this.#components;
    const download = await transfers.downloadFrom(
      { fields, facts, opensAtOnce: true },
      (...parts) => new Download(...parts),
      signal,
    );
    download.endWith(signal);
    return download.readable;
  }

  async #run(open: ControlObject, facts: TransferFacts, options: AbortOptions, until?: PlaceUntil): Promise<Fields> {
    try {
      return await this.#components.opener.run(open, options, until);
    } catch (error) {
      throw transferFailure(error, facts);
    }
  }
}

/** The id of the operation that writes a key: derived from it, so that `delete` can end the operation. */
function writeId(key: string): string {
  return `archive.${createHash('sha256').update(key).digest('hex')}`;
}
