import { addAbortListener, once } from 'node:events';
import type { Readable } from 'node:stream';

import { extract, type Extract, type Header } from 'tar-stream';

import { ArtifactTooLargeError, CorruptArchiveError, FileNotFoundError, PathConflictError, type TransferFacts } from '../errors/transfer.ts';
import { abortReason } from '../internal/abort.ts';
import type { AbortOptions } from '../runtime/options.ts';

export interface ReadFileFromOptions extends AbortOptions {
  /** The most bytes that the file may have. */
  readonly limitBytes: number;
  /** For errors. */
  readonly facts: TransferFacts;
}

/**
 * The content of the one file in a raw archive. The archive is read to its end, so that its bytes are proven, and destroyed where that is not worth it any
 * more. What it fails with comes as it is.
 *
 * @throws PathConflictError - its first entry is not a file
 * @throws ArtifactTooLargeError, CorruptArchiveError
 * @throws FileNotFoundError - it is empty
 */
export async function readFileFrom(archive: Readable, options: ReadFileFromOptions): Promise<Uint8Array> {
  const { signal, facts } = options;
  using _listener = signal === undefined ? undefined : addAbortListener(signal, () => archive.destroy(abortReason(signal)));
  const parser = extract();
  const first = new FirstFile(parser, options);
  try {
    // Every byte is taken at once and at most the limit is kept, so that the parser never has to be waited for.
    for await (const chunk of archive) {
      parser.write(chunk);
      first.throwIfFailed();
    }
    const finished = Promise.race([once(parser, 'finish'), once(parser, 'close')]);
    parser.end(null);
    await finished.catch(() => undefined);
    first.throwIfFailed();
    if (first.content === undefined) throw new FileNotFoundError(facts);
    return first.content;
  } finally {
    parser.destroy(null);
  }
}

/** Gathers the content of the first entry, and lets the others pass. */
class FirstFile {
  readonly #options: ReadFileFromOptions;
  #seen = false;
  #content: Buffer | undefined;
  #failure: Error | undefined;

  constructor(parser: Extract, options: ReadFileFromOptions) {
    this.#options = options;
    parser.on('error', (cause) => {
      this.#failure ??= new CorruptArchiveError(options.facts, cause.message, { cause });
    });
    parser.on('entry', (header, entry, next) => {
      const parts: Buffer[] | undefined = this.#isWanted(header) ? [] : undefined;
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

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #isWanted({ type, size }: Header): boolean {
    const { facts, limitBytes } = this.#options;
    if (this.#seen || this.#failure !== undefined) return false;
    this.#seen = true;
    if (type !== 'file' && type !== 'contiguous-file') this.#failure = new PathConflictError(facts, `it is a ${type}, not a file`);
    else if (size > limitBytes) this.#failure = new ArtifactTooLargeError(facts, limitBytes);
    return this.#failure === undefined;
  }
}
