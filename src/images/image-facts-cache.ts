import { abortable } from '../internal/abort.ts';
import { within } from '../internal/within.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import type { ImageFacts, Inspection } from './registry-client.ts';

export interface ImageFactsCacheComponents {
  readonly clock: Clock;
  /** How long facts are used without another request. */
  readonly freshMs: number;
}

interface Entry {
  /** The last facts that a registry reported. */
  readonly facts: ImageFacts | undefined;
  /** Why the last request failed. */
  readonly failure: unknown;
  /** The time until which no further request is sent. */
  readonly until: number;
}

const maxEntries = 1_000;
/** The limit for all requests of one check. */
const checkLimitMs = 10_000;
/** How long no request is sent to a registry that does not answer. */
const failureMs = 10_000;

/**
 * Caches what registries report about images. While a registry does not answer, the earlier facts
 * remain in use. Concurrent calls for one image share a request. Missing and refused images are not
 * cached, so that a push or a new pull secret takes effect at once.
 */
export class ImageFactsCache {
  readonly #clock: Clock;
  readonly #freshMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #pending = new Map<string, Promise<Inspection>>();
  readonly #closing = new AbortController();

  constructor({ clock, freshMs }: ImageFactsCacheComponents) {
    this.#clock = clock;
    this.#freshMs = freshMs;
  }

  /**
   * Returns the facts of this key, or calls `inspect` for them. The signal stops only the waiting.
   * Rejects with the failure of `inspect` if there are no earlier facts.
   */
  async get(
    key: string,
    inspect: (signal: AbortSignal) => Promise<Inspection>,
    { signal }: AbortOptions = {},
  ): Promise<Inspection> {
    const entry = this.#entries.get(key);
    if (entry !== undefined && this.#clock.now() < entry.until) return factsOf(entry);
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      pending = this.#refresh(key, inspect, entry?.facts).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return await abortable(pending, signal);
  }

  /** Aborts the requests under way. */
  close(): void {
    this.#closing.abort(new Error('the worker is closed'));
  }

  async #refresh(
    key: string,
    inspect: (signal: AbortSignal) => Promise<Inspection>,
    earlier: ImageFacts | undefined,
  ): Promise<Inspection> {
    try {
      const found = await within(checkLimitMs, this.#clock, inspect, this.#closing.signal);
      this.#entries.delete(key);
      if (typeof found === 'object')
        this.#keep(key, { facts: found, failure: undefined, until: this.#after(this.#freshMs) });
      return found;
    } catch (failure) {
      const entry = { facts: earlier, failure, until: this.#after(failureMs) };
      this.#keep(key, entry);
      return factsOf(entry);
    }
  }

  /** Evicts the oldest entry if there are too many. */
  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > maxEntries && oldest !== undefined) this.#entries.delete(oldest);
  }

  #after(ms: number): number {
    return this.#clock.now() + ms;
  }
}

function factsOf({ facts, failure }: Entry): ImageFacts {
  if (facts === undefined) throw failure;
  return facts;
}
