import { ApiError } from '../errors/cluster.ts';
import { isRetryable } from '../errors/error-code.ts';
import { backoffMs } from '../internal/backoff.ts';
import type { Cluster, LogLine } from '../kubernetes/cluster.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';

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

const backoff = { firstMs: 100, longestMs: 2_000 };

/** The logs of pods' containers, through restarts of the container and lost connections. */
export class PodLogs {
  readonly #components: PodLogsComponents;

  constructor(components: PodLogsComponents) {
    this.#components = components;
  }

  /**
   * Each line once, in order, as it comes. Ends only by the signal, with its reason.
   *
   * @throws ForbiddenError, ApiError - it can never be read
   */
  async *follow({ podName, containerName, from }: PodLogTarget, { signal }: AbortOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const { cluster, clock, logger } = this.#components;
    const seen = new SeenLines();
    let isFirst = true;
    for (let retry = 0; ; retry += 1) {
      // What the run before has said, then what this one says until it ends.
      for (const previous of from === 'now' && isFirst ? [false] : [true, false]) {
        const target = {
          podName,
          containerName,
          previous,
          follow: !previous,
          since: seen.since,
          tailLines: from === 'now' && isFirst ? 0 : undefined,
        };
        try {
          for await (const line of cluster.readLog(target, { signal })) {
            if (!seen.isNew(line)) continue;
            retry = 0;
            yield line.bytes;
          }
        } catch (error) {
          signal?.throwIfAborted();
          if (!mayPass(error)) throw error;
          if (!previous) logger.debug('log is read again', { podName, containerName, error });
        }
        seen.again();
      }
      isFirst = false;
      await clock.sleep(backoffMs(retry, backoff), { signal });
    }
  }
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

  /** Reading begins anew. */
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
