import { ApiError } from '../errors/cluster.ts';
import { isRetryable } from '../errors/error-code.ts';
import { backoffMs } from '../internal/backoff.ts';
import type { Cluster, LogLine } from '../kubernetes/cluster.ts';
import type { Clock, Logger } from '../runtime/options.ts';

/** What reading logs needs. */
export interface PodLogsComponents {
  readonly cluster: Pick<Cluster, 'readLog'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Whose log, and from where on. */
export interface PodLogTarget {
  readonly podName: string;
  readonly containerName: string;
  readonly from: 'start' | 'now';
}

const backoff = { firstMs: 100, longestMs: 500 };

/** The logs of pods' containers, through restarts of the container and lost connections. */
export class PodLogs {
  readonly #components: PodLogsComponents;

  constructor(components: PodLogsComponents) {
    this.#components = components;
  }

  /**
   * Each line once, in order, as it comes. When `until` aborts, what is there by then still comes, and it ends; `signal` ends it at once, with its reason.
   *
   * @throws ForbiddenError, ApiError - it can never be read
   */
  async *follow(
    target: PodLogTarget,
    { signal, until }: { readonly signal: AbortSignal; readonly until: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    const { clock } = this.#components;
    const seen = new SeenLines();
    const following = AbortSignal.any([signal, until]);
    for (let retry = 0, isFirst = true; !until.aborted; retry += 1, isFirst = false) {
      for await (const line of this.#read(target, seen, { follow: true, isFirst, signal: following })) {
        retry = 0;
        yield line;
      }
      await clock.sleep(backoffMs(retry, backoff), { signal: following }).catch(() => undefined);
      signal.throwIfAborted();
    }
    for (let isRead = false; !isRead; ) {
      isRead = yield* this.#read(target, seen, { follow: false, isFirst: false, signal });
      if (!isRead) await clock.sleep(backoff.firstMs, { signal });
    }
  }

  /** New lines of what the run before has said, then of this one. `true`: this one's could be read. */
  async *#read(
    { podName, containerName, from }: PodLogTarget,
    seen: SeenLines,
    { follow, isFirst, signal }: Reading,
  ): AsyncGenerator<Uint8Array, boolean> {
    const onlyNew = from === 'now' && isFirst;
    let isRead = false;
    for (const previous of onlyNew ? [false] : [true, false]) {
      const target = {
        podName,
        containerName,
        previous,
        follow: follow && !previous,
        since: seen.since,
        tailLines: onlyNew ? 0 : undefined,
      };
      seen.again();
      try {
        for await (const line of this.#components.cluster.readLog(target, { signal })) {
          for (const { bytes } of seen.take(line)) yield bytes;
        }
        for (const { bytes } of seen.rest()) yield bytes;
        isRead = !previous;
      } catch (error) {
        if (signal.aborted) return false;
        if (!mayPass(error)) throw error;
        if (!previous) this.#components.logger.debug('log is read again', { podName, containerName, error });
      }
    }
    return isRead;
  }
}

interface Reading {
  readonly follow: boolean;
  readonly isFirst: boolean;
  readonly signal: AbortSignal;
}

/** A container that has not begun yet, or not ended once, has no log: 400. */
function mayPass(error: unknown): boolean {
  return isRetryable(error) || (error instanceof ApiError && error.status === 400);
}

/** So many times of lines are remembered, and so many lines held back. */
const mostLines = 10_000;

/**
 * Which lines were given. Reading can only begin at a whole second, so lines come again; several may have one time, and
 * the times of a log need not be in order. Its lines are: those before one that was given are old, whatever their times,
 * and those after the last that was given are new.
 */
class SeenLines {
  /** The second of the last line that was given, and how many were given of each time in it since. */
  #second = '';
  #given = new Map<string, number>();
  #latest = '';
  /** What is left of `#given` while lines come again. */
  #again: Map<string, number> | undefined;
  /** Lines that come again, or are new: that is not known yet. */
  #held: LogLine[] = [];

  get since(): Date | undefined {
    return this.#second === '' ? undefined : new Date(`${this.#second}Z`);
  }

  /** Reading begins anew, at the second of the last line. */
  again(): void {
    this.#held = [];
    this.#again = this.#given.size === 0 ? undefined : new Map(this.#given);
  }

  /** The lines that are known to be new by this one. */
  take(line: LogLine): readonly LogLine[] {
    if (this.#again === undefined) return this.#give([line]);
    // The log of a run before has lines from before the second that was asked for, on some servers.
    if (secondOf(line) < this.#second) return [];
    const left = this.#again.get(line.at) ?? 0;
    if (left > 0) {
      if (left === 1) this.#again.delete(line.at);
      else this.#again.set(line.at, left - 1);
      this.#held = [];
      if (this.#again.size === 0) this.#again = undefined;
      return [];
    }
    this.#held.push(line);
    if (line.at > this.#latest) return this.rest();
    if (this.#held.length > mostLines) this.#held.shift();
    return [];
  }

  /** Reading has come to the end of the log: what was held back is new. */
  rest(): readonly LogLine[] {
    this.#again = undefined;
    const held = this.#held;
    this.#held = [];
    return this.#give(held);
  }

  #give(lines: readonly LogLine[]): readonly LogLine[] {
    for (const line of lines) {
      const { at } = line;
      const second = secondOf(line);
      if (second !== this.#second) this.#given.clear();
      this.#second = second;
      if (at > this.#latest) this.#latest = at;
      this.#given.set(at, (this.#given.get(at) ?? 0) + 1);
      const [oldest] = this.#given.keys();
      if (this.#given.size > mostLines && oldest !== undefined) this.#given.delete(oldest);
    }
    return lines;
  }
}

function secondOf({ at }: LogLine): string {
  return at.slice(0, 'yyyy-mm-ddThh:mm:ss'.length);
}
