import { addAbortListener, once } from 'node:events';
import type { Readable } from 'node:stream';

import { type Extract, extract, type Header } from 'tar-stream';

import {
  ArtifactTooLargeError,
  CorruptArchiveError,
  FileNotFoundError,
  PathConflictError,
  type TransferFacts,
} from '../errors/transfer.ts';
import { abortReason } from '../internal/abort.ts';
import type { AbortOptions } from '../runtime/options.ts';

export interface ReadFileFromOptions extends AbortOptions {
  /** The limit for the file's size, in bytes. */
  readonly limitBytes: number;
  /** The facts for errors. */
  readonly facts: TransferFacts;
}

/**
 * Returns the content of the only file in a raw archive. Reads the archive to its end, so that its
 * bytes are verified. Destroys the archive after a failure of the file. Rejects with the archive's
 * own error if the archive fails.
 *
 * @throws PathConflictError - the first entry is not a file
 * @throws ArtifactTooLargeError, CorruptArchiveError
 * @throws FileNotFoundError - the archive is empty
 */
export async function readFileFrom(archive: Readable, options: ReadFileFromOptions): Promise<Uint8Array> {
  const { signal, facts } = options;
  using _listener =
    signal === undefined ? undefined : addAbortListener(signal, () => archive.destroy(abortReason(signal)));
  const parser = extract();
  const first = new FirstFile(parser, options, (failure) => archive.destroy(failure));
  try {
    // The parser consumes every byte at once and keeps at most the limit, so no backpressure is
    // needed.
    for await (const chunk of archive) parser.write(chunk);
    if (!parser.destroyed) {
      const ended = Promise.race([once(parser, 'finish'), once(parser, 'close')]);
      parser.end(null);
      await ended.catch(() => undefined);
    }
    if (first.failure !== undefined) throw first.failure;
    if (first.content === undefined) throw new FileNotFoundError(facts);
    return first.content;
  } finally {
    parser.destroy(null);
  }
}

/** Collects the content of the first entry and skips the others. */
class FirstFile {
  readonly #options: ReadFileFromOptions;
  readonly #failed: (failure: Error) => void;
  #seen = false;
  #content: Buffer | undefined;
  #failure: Error | undefined;

  constructor(parser: Extract, options: ReadFileFromOptions, failed: (failure: Error) => void) {
    this.#options = options;
    this.#failed = failed;
    parser.on('error', (cause) => {
      this.#fail(new CorruptArchiveError(options.facts, cause.message, { cause }));
    });
    parser.on('entry', (header, entry, next) => {
      const parts: Buffer[] | undefined = this.#isFirstFile(header) ? [] : undefined;
      // The parser fails with the same error.
      entry.on('error', () => undefined);
      entry.on('data', (part) => parts?.push(part as Buffer));
      entry.on('end', () => {
        if (parts !== undefined) this.#content = Buffer.concat(parts);
        next();
      });
    });
  }

  get content(): Buffer | undefined {
    return this.#content;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  #fail(failure: Error): void {
    this.#failure ??= failure;
    this.#failed(this.#failure);
  }

  #isFirstFile({ type, size }: Header): boolean {
    const { facts, limitBytes } = this.#options;
    if (this.#seen) return false;
    this.#seen = true;
    if (type !== 'file' && type !== 'contiguous-file')
      this.#fail(new PathConflictError(facts, `it is a ${type}, not a file`));
    else if (size > limitBytes) this.#fail(new ArtifactTooLargeError(facts, limitBytes));
    return this.#failure === undefined;
  }
}
