import { within } from '../../internal/within.ts';
import type { VolumeStreamRepository } from '../../repository/volume-stream-repository.ts';
import type { Clock, Logger } from '../../runtime/options.ts';

export interface OpenStreamsComponents {
  readonly streams: VolumeStreamRepository;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when the end of a stream lets the reaper delete one of its volumes. */
  readonly reapSoon: () => void;
}

/** A transfer that is under way, during which the reaper leaves its volumes alone. */
export interface OpenStream {
  /**
   * Resolves when the reaper leaves the volumes alone, or when the database does not answer in time.
   * Never rejects: a transfer does not need the database.
   */
  readonly held: Promise<void>;
  /** Ends the stream. Resolves when the reaper may continue. Idempotent, and never rejects. */
  close(): Promise<void>;
}

/** How long the reaper waits after the host of a stream has died. */
const leaseMs = 120_000;
const renewEveryMs = leaseMs / 3;
/** The delay before a stream that the database did not accept is recorded again. */
const retryMs = 5_000;
/** How long a transfer waits for the database at its start and at its end. */
const waitMs = 2_000;

/**
 * Records transfers in the database while they are under way: one statement at the start, one at
 * the end, and one per interval in between.
 */
export class OpenStreams {
  readonly #components: OpenStreamsComponents;
  readonly #open = new Set<OpenStream>();
  readonly #releasing = new Set<Promise<void>>();

  constructor(components: OpenStreamsComponents) {
    this.#components = components;
  }

  /** Begins a stream of these volumes. Without a volume, it needs no statement. */
  open(handles: readonly string[]): OpenStream {
    if (handles.length === 0) return { held: Promise.resolve(), close: async () => undefined };
    const { newId, clock } = this.#components;
    const streamId = newId();
    const ended = new AbortController();
    const first = this.#hold(streamId, handles);
    const keeping = this.#keep(first, streamId, handles, ended.signal);
    let closing: Promise<void> | undefined;
    const stream: OpenStream = {
      held: within(waitMs, clock, () => first).then(ignore, ignore),
      close: async () => {
        if (closing === undefined) {
          ended.abort();
          this.#open.delete(stream);
          const released = this.#release(keeping, streamId);
          closing = within(waitMs, clock, () => released).catch(() => undefined);
        }
        await closing;
      },
    };
    this.#open.add(stream);
    return stream;
  }

  /** Resolves when no stream that has ended is left in the database. */
  async settled(): Promise<void> {
    await Promise.all(this.#releasing);
  }

  /** Ends all streams. Waits only briefly for a database that does not answer. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((stream) => stream.close()));
    await within(waitMs, this.#components.clock, () => this.settled()).catch(() => undefined);
  }

  /** Renews the stream until it ends, or until none of its volumes is left. Never rejects. */
  async #keep(
    first: Promise<number | undefined>,
    streamId: string,
    handles: readonly string[],
    ended: AbortSignal,
  ): Promise<void> {
    const { clock } = this.#components;
    let volumes = await first;
    while (volumes !== 0 && !ended.aborted) {
      await clock.sleep(volumes === undefined ? retryMs : renewEveryMs, { signal: ended }).catch(() => undefined);
      if (!ended.aborted) volumes = await this.#hold(streamId, handles);
    }
  }

  /** Returns the number of volumes that are held, or `undefined` after a failure. */
  async #hold(streamId: string, handles: readonly string[]): Promise<number | undefined> {
    const { streams, logger } = this.#components;
    return await streams.hold(streamId, handles, leaseMs).catch((error: unknown) => {
      logger.warn('open stream not recorded', { handles, error });
      return undefined;
    });
  }

  /** Waits for the last statement of the stream, which could otherwise record the stream again. */
  async #release(keeping: Promise<void>, streamId: string): Promise<void> {
    const { streams, logger, reapSoon } = this.#components;
    const releasing = keeping
      .then(() => streams.release(streamId))
      .then(
        (isAwaited) => {
          if (isAwaited) reapSoon();
        },
        (error: unknown) => logger.warn('end of a stream not recorded', { streamId, error }),
      );
    this.#releasing.add(releasing);
    await releasing;
    this.#releasing.delete(releasing);
  }
}

function ignore(): void {}
