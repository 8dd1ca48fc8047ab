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
  async *follow(target: PodLogTarget, { signal, until }: { readonly signal: AbortSignal; readonly until: AbortSignal }): AsyncGenerator<Uint8Array> {
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
      const target = { podName, containerName, previous, follow: follow && !previous, since: seen.since, tailLines: onlyNew ? 0 : undefined };
      seen.again();
      try {
        for await (const line of this.#components.cluster.readLog(target, { signal })) if (seen.isNew(line)) yield line.bytes;
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

/** Which lines were given, by their times: reading can only begin at a whole second, and several lines may have one time. */
class SeenLines {
  #at = '';
  #count = 0;
  #skip = 0;

  get since(): Date | undefined {
    return this.#at === '' ? undefined : new Date(Math.floor(Date.parse(this.#at) / 1000) * 1000);
  }

  /** Reading begins anew, at the second of the last line. */
  again(): void {
    this.#skip = this.#count;
  }

  isNew({ at }: LogLine): boolean {
    if (at < this.#at) return false;
    if (at > this.#at) {
      this.#at = at;
      this.#count = 1;
      this.#skip = 0;
      return true;
    }
    if (this.#skip > 0) {
      this.#skip -= 1;
      return false;
    }
    this.#count += 1;
    return true;
  }
}
