import { EventEmitter, once } from 'node:events';
import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import type { Readable } from 'node:stream';

const timestampBytes = '2026-01-01T00:00:00.000Z '.length;

/** Selects the part of a log to read. */
export interface LogQuery {
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  readonly sinceMs: number | undefined;
  /** Stops a read with `follow`. */
  readonly signal: AbortSignal;
}

/**
 * The output of one run of a container: both streams in the order of arrival, with the start time
 * of each line. The log is a file, so its size does not use memory. If the disk is slower than the
 * container, the container blocks on its output.
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

  /** Appends a stream until it ends. The log is complete when all of its streams have ended. */
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

  /**
   * Yields the selected part of the log, as bytes in latin1. With `follow`, continues until the
   * container has ended.
   */
  async *read(query: LogQuery): AsyncGenerator<string> {
    const skip = query.tailLines === undefined ? 0 : Math.max(0, (await this.#countLines()) - query.tailLines);
    const filter = new LineFilter(query, skip);
    for (let offset = 0; ; ) {
      const end = this.#bytes;
      if (end > offset) {
        for await (const chunk of this.#chunks(offset, end)) {
          const shown = filter.take(chunk);
          if (shown !== '') yield shown;
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
    let last = '\n';
    for await (const chunk of this.#chunks(0, this.#bytes)) {
      for (let at = chunk.indexOf('\n'); at >= 0; at = chunk.indexOf('\n', at + 1)) lines += 1;
      last = chunk.at(-1) ?? last;
    }
    return last === '\n' ? lines : lines + 1;
  }

  async *#chunks(start: number, end: number): AsyncGenerator<string> {
    if (end <= start) return;
    const stream = createReadStream(this.#path, { start, end: end - 1, encoding: 'latin1' });
    for await (const chunk of stream) if (typeof chunk === 'string') yield chunk;
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#changes.emit('change');
  }
}

/**
 * Filters the file's text, which arrives in chunks: selects lines and removes their timestamps
 * where the query does not ask for them.
 */
class LineFilter {
  readonly #query: LogQuery;
  #skip: number;
  #rest = '';
  #atStart = true;
  #shown = false;

  constructor(query: LogQuery, skip: number) {
    this.#query = query;
    this.#skip = skip;
  }

  take(chunk: string): string {
    let text = this.#rest + chunk;
    let seen = '';
    while (text !== '' && (!this.#atStart || text.length >= timestampBytes)) {
      if (this.#atStart) {
        const stamp = text.slice(0, timestampBytes);
        text = text.slice(timestampBytes);
        this.#begin(stamp);
        if (this.#shown && this.#query.timestamps) seen += stamp;
      }
      const end = text.indexOf('\n') + 1;
      const part = end === 0 ? text : text.slice(0, end);
      text = text.slice(part.length);
      this.#atStart = end > 0;
      if (this.#shown) seen += part;
    }
    this.#rest = text;
    return seen;
  }

  #begin(stamp: string): void {
    const { sinceMs } = this.#query;
    this.#shown = this.#skip <= 0 && (sinceMs === undefined || Date.parse(stamp.trimEnd()) >= sinceMs);
    this.#skip -= 1;
  }
}
