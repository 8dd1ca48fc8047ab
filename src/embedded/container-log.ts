import { EventEmitter, once } from 'node:events';
import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

const TIMESTAMP_BYTES = '2026-01-01T00:00:00.000Z '.length;

/** What of a log is wanted. */
export interface LogQuery {
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  readonly sinceMs: number | undefined;
  /** Ends a `follow`. */
  readonly signal: AbortSignal;
}

/**
 * The output of one run of one container, both streams in the order of arrival, each line with the time at which it began. Kept in a file, so that its
 * size costs no memory; while the disk is slower than the container, the container waits.
 */
export class ContainerLog {
  readonly #path: string;
  readonly #file: WriteStream;
  readonly #changes = new EventEmitter();
  #open = 0;
  #lineOpen = false;
  #bytes = 0;
  #closed = false;

  constructor(path: string) {
    this.#path = path;
    this.#changes.setMaxListeners(0);
    this.#file = createWriteStream(path, { flags: 'a', mode: 0o600 });
    this.#file.on('error', () => this.#finish());
  }

  /** Takes in a stream until it ends; the log is complete when all of its streams have ended. */
  add(stream: Readable): void {
    this.#open += 1;
    stream.on('data', (chunk: Buffer) => {
      if (this.#append(chunk) || this.#closed) return;
      stream.pause();
      this.#file.once('drain', () => stream.resume());
    });
    stream.on('error', () => undefined);
    stream.once('close', () => {
      this.#open -= 1;
      if (this.#open === 0) this.#file.end(() => this.#finish());
    });
  }

  /** The log as it was asked for; with `follow` it goes on until the container has ended. */
  async *read(query: LogQuery): AsyncGenerator<string> {
    const skip = query.tailLines === undefined ? 0 : Math.max(0, (await this.#countLines()) - query.tailLines);
    let offset = 0;
    let seen = 0;
    for (;;) {
      const end = this.#bytes;
      if (end > offset) {
        for await (const line of this.#lines(offset, end)) {
          seen += 1;
          if (seen > skip && isRecent(line, query.sinceMs)) yield query.timestamps ? `${line}\n` : `${line.slice(TIMESTAMP_BYTES)}\n`;
        }
        offset = end;
      } else if (!query.follow || this.#closed || query.signal.aborted) return;
      else await once(this.#changes, 'change', { signal: query.signal }).catch(() => undefined);
    }
  }

  #append(chunk: Buffer): boolean {
    if (this.#closed || chunk.length === 0) return true;
    const prefix = `${new Date().toISOString()} `;
    const text = chunk.toString('latin1');
    const body = text.replaceAll(/\n(?=.)/gs, `\n${prefix}`);
    const whole = Buffer.from(this.#lineOpen ? body : `${prefix}${body}`, 'latin1');
    this.#lineOpen = !text.endsWith('\n');
    return this.#file.write(whole, () => {
      this.#bytes += whole.length;
      this.#changes.emit('change');
    });
  }

  async #countLines(): Promise<number> {
    let lines = 0;
    for await (const _line of this.#lines(0, this.#bytes)) lines += 1;
    return lines;
  }

  async *#lines(start: number, end: number): AsyncGenerator<string> {
    if (end <= start) return;
    const stream = createReadStream(this.#path, { start, end: end - 1, encoding: 'latin1' });
    const lines = createInterface({ input: stream, crlfDelay: 0 });
    try {
      yield* lines;
    } finally {
      lines.close();
      stream.destroy();
    }
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#changes.emit('change');
  }

  /** Resolves when everything is written. */
  async flushed(): Promise<void> {
    if (!this.#closed) await finished(this.#file).catch(() => undefined);
  }
}

function isRecent(line: string, sinceMs: number | undefined): boolean {
  return sinceMs === undefined || Date.parse(line.slice(0, TIMESTAMP_BYTES - 1)) >= sinceMs;
}
