import { ApiError } from '../errors/cluster.ts';
import { isRetryable } from '../errors/error-code.ts';
import type { Cluster, LogLine, LogTarget } from '../kubernetes/cluster.ts';
import { RetryPace } from '../retry/retry-pace.ts';
import type { Clock, Logger } from '../runtime/options.ts';

export interface PodLogsComponents {
  readonly cluster: Pick<Cluster, 'readLog'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The log to read, and its first line. */
export interface PodLogTarget {
  readonly podName: string;
  readonly containerName: string;
  readonly from: 'start' | 'now';
}

const backoff = { firstMs: 100, longestMs: 500 };

/** Reads the logs of pod containers across restarts of the container and lost connections. */
export class PodLogs {
  readonly #components: PodLogsComponents;

  constructor(components: PodLogsComponents) {
    this.#components = components;
  }

  /**
   * Yields each line once, in order, as it is printed. When `until` aborts, yields the lines that
   * exist by then, and ends. Rejects with the reason of `signal` as soon as it aborts.
   *
   * @throws ForbiddenError, ApiError - the log can never be read
   */
  async *follow(
    target: PodLogTarget,
    { signal, until }: { readonly signal: AbortSignal; readonly until: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    const { clock } = this.#components;
    const seen = new SeenLines();
    const following = AbortSignal.any([signal, until]);
    const pace = new RetryPace({ clock, backoff });
    for (let isFirst = true; !until.aborted; isFirst = false) {
      for await (const line of this.#read(target, seen, { follow: true, isFirst, signal: following })) {
        pace.renew();
        yield line;
      }
      await pace.wait(undefined, { signal: following }).catch(() => undefined);
      signal.throwIfAborted();
    }
    for (let isRead = false; !isRead; ) {
      isRead = yield* this.#read(target, seen, { follow: false, isFirst: false, signal });
      if (!isRead) await pace.wait(undefined, { signal });
    }
  }

  /**
   * Yields the new lines of the previous run, then of the current run. Returns whether the current
   * run's log could be read.
   */
  async *#read(
    { podName, containerName, from }: PodLogTarget,
    seen: SeenLines,
    { follow, isFirst, signal }: Reading,
  ): AsyncGenerator<Uint8Array, boolean> {
    const run = { podName, containerName };
    if (from === 'now' && isFirst)
      return yield* this.#readRun({ ...run, previous: false, follow, tailLines: 0 }, seen, { signal });
    const readPrevious = (): AsyncGenerator<Uint8Array, boolean> =>
      this.#readRun({ ...run, previous: true, follow: false }, seen, { signal });
    yield* readPrevious();
    return yield* this.#readRun({ ...run, previous: false, follow }, seen, { signal, readPrevious });
  }

  /** Yields the new lines of one run. Returns whether its log could be read. */
  async *#readRun(
    target: Omit<LogTarget, 'since'>,
    seen: SeenLines,
    { signal, readPrevious }: RunReading,
  ): AsyncGenerator<Uint8Array, boolean> {
    seen.restart();
    try {
      let isBegun = false;
      for await (const line of this.#components.cluster.readLog({ ...target, since: seen.since }, { signal })) {
        if (!isBegun && readPrevious !== undefined) {
          // The container may have been restarted after its previous run was read. The run in between
          // is now the previous one, and its lines come first.
          yield* readPrevious();
          seen.restart();
        }
        isBegun = true;
        for (const { bytes } of seen.take(line)) yield bytes;
      }
      for (const { bytes } of seen.rest()) yield bytes;
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (!mayPass(error)) throw error;
      const { podName, containerName, previous } = target;
      if (previous !== true) this.#components.logger.debug('retrying log', { podName, containerName, error });
      return false;
    }
  }
}

interface RunReading {
  readonly signal: AbortSignal;
  /** Reads the previous run again, when the first line of this run was read. */
  readonly readPrevious?: (() => AsyncGenerator<Uint8Array, boolean>) | undefined;
}

interface Reading {
  readonly follow: boolean;
  readonly isFirst: boolean;
  readonly signal: AbortSignal;
}

/**
 * Whether reading may succeed later. The log of a container that has not started, or of a run that
 * does not exist yet, has status 400.
 */
function mayPass(error: unknown): boolean {
  return isRetryable(error) || (error instanceof ApiError && error.status === 400);
}

/** The maximum numbers of line times to remember, and of lines to hold back. */
const mostLines = 10_000;

/**
 * Remembers which lines were delivered. Reading can only start at a whole second, so the server
 * sends some lines again. Several lines may have the same time, and the times in a log are not
 * always in order. The order of the lines is fixed: all lines before a delivered line are old,
 * whatever their times, and all lines after the last delivered line are new.
 */
class SeenLines {
  /**
   * The second of the last delivered line, and the number of lines of each time in it that were
   * delivered since.
   */
  #second = '';
  #delivered = new Map<string, number>();
  #latest = '';
  /** The remaining counts of `#delivered` while the server repeats lines. */
  #repeated: Map<string, number> | undefined;
  /** Lines that may be repeated or new. */
  #held: LogLine[] = [];

  get since(): Date | undefined {
    return this.#second === '' ? undefined : new Date(`${this.#second}Z`);
  }

  /** Prepares for a new reading that starts at the second of the last line. */
  restart(): void {
    this.#held = [];
    this.#repeated = this.#delivered.size === 0 ? undefined : new Map(this.#delivered);
  }

  /** Takes the next line that was read. Returns the lines that are now known to be new. */
  take(line: LogLine): readonly LogLine[] {
    if (this.#repeated === undefined) return this.#deliver([line]);
    // On some servers the log of a previous run contains lines from before the requested second.
    if (secondOf(line) < this.#second) return [];
    const left = this.#repeated.get(line.at) ?? 0;
    if (left > 0) {
      if (left === 1) this.#repeated.delete(line.at);
      else this.#repeated.set(line.at, left - 1);
      this.#held = [];
      if (this.#repeated.size === 0) this.#repeated = undefined;
      return [];
    }
    this.#held.push(line);
    if (line.at > this.#latest) return this.rest();
    if (this.#held.length > mostLines) this.#held.shift();
    return [];
  }

  /** Returns the lines that were held back, which are new at the end of the log. */
  rest(): readonly LogLine[] {
    this.#repeated = undefined;
    const held = this.#held;
    this.#held = [];
    return this.#deliver(held);
  }

  #deliver(lines: readonly LogLine[]): readonly LogLine[] {
    for (const line of lines) {
      const { at } = line;
      const second = secondOf(line);
      if (second !== this.#second) this.#delivered.clear();
      this.#second = second;
      if (at > this.#latest) this.#latest = at;
      this.#delivered.set(at, (this.#delivered.get(at) ?? 0) + 1);
      const [oldest] = this.#delivered.keys();
      if (this.#delivered.size > mostLines && oldest !== undefined) this.#delivered.delete(oldest);
    }
    return lines;
  }
}

function secondOf({ at }: LogLine): string {
  return at.slice(0, 'yyyy-mm-ddThh:mm:ss'.length);
}
