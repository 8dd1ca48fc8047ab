/** A call of `ownerFinished`. One that was not acknowledged may take effect at any later time. */
export interface Finish {
  readonly issuedAt: number;
  readonly final: boolean;
  /** Whether the container is kept for a time. */
  readonly keeps: boolean;
  acknowledged: boolean;
}

/** A container that a host has received from `findOrCreateContainer`. */
export interface Delivered {
  readonly handle: string;
  /** Whether a call of `ownerFinished` may have ended it. */
  mayBeFinished: boolean;
}

/** A call of `findOrCreateContainer` that has not settled. */
export interface Creating {
  mayBeFinished: boolean;
}

export class OwnerLedger {
  readonly finishes: Finish[] = [];
  readonly delivered = new Map<string, Delivered>();
  readonly #creating = new Set<Creating>();

  beginCreate(): Creating {
    const creating = { mayBeFinished: this.finishes.some(({ acknowledged }) => !acknowledged) };
    this.#creating.add(creating);
    return creating;
  }

  deliver(creating: Creating, handle: string): void {
    this.#creating.delete(creating);
    const before = this.delivered.get(handle);
    this.delivered.set(handle, { handle, mayBeFinished: creating.mayBeFinished || before?.mayBeFinished === true });
  }

  beginFinish(issuedAt: number, { final, keeps }: Pick<Finish, 'final' | 'keeps'>): Finish {
    for (const creating of this.#creating) creating.mayBeFinished = true;
    for (const delivered of this.delivered.values()) delivered.mayBeFinished = true;
    const finish = { issuedAt, final, keeps, acknowledged: false };
    this.finishes.push(finish);
    return finish;
  }
}

/** What hosts wrote into a volume. */
export interface ContentLedger {
  /** The digest of the last upload whose end the host received. */
  acknowledged: string | undefined;
  /** The digests of all uploads. `undefined` for a copy of another volume. */
  readonly attempted: Set<string> | undefined;
  /** Whether an upload is under way, or has ended without an answer. */
  isUncertain: boolean;
  /** Whether a host has requested its end. */
  isExpired: boolean;
  /** Whether it is or was a cache, which another one may replace. */
  wasCache: boolean;
}

/** What hosts requested of the cache of a key. */
export interface CacheLedger {
  /** Calls that make a volume the cache and have not settled, or were not acknowledged: they may take effect. */
  unsettled: number;
  /** How many calls have begun. */
  begun: number;
  /** Whether a host has requested its end. */
  isInvalidated: boolean;
}

/** What hosts requested, and what they were answered: what must exist, and what must not. */
export class Ledger {
  readonly #owners = new Map<string, OwnerLedger>();
  /** Artifact volumes that a host has received, by handle. */
  readonly artifacts = new Map<string, ContentLedger>();
  /** By kind and text of the key. */
  readonly caches = new Map<string, CacheLedger>();
  /** The texts that were ever written, by hosts and by commands. */
  readonly texts = new Set<string>();
  /** The digests of the archives of these texts. */
  readonly written = new Set<string>();
  /** The incarnations with a failed call to a pod or a store, which may be due to a cache. */
  readonly failedTransfers = new Set<string>();
  /** Streams that the database had without a lease for a time, by stream and volume. */
  readonly lapsedStreams = new Set<string>();
  /** Results that a host has received, by container and process. */
  readonly results = new Map<string, number>();
  /** The uid of the pod of each start, by container and process. */
  readonly starts = new Map<string, string>();
  /** The step at which the row of a container was first seen, by handle. */
  readonly insertedAt = new Map<string, number>();
  /** The step at which a row became `destroying`, by handle. */
  readonly markedAt = new Map<string, number>();
  /** The uids of pods that another client of the API deleted. */
  readonly stolenPods = new Set<string>();

  owner(key: string): OwnerLedger {
    const owner = this.#owners.get(key) ?? new OwnerLedger();
    this.#owners.set(key, owner);
    return owner;
  }

  cache(key: string): CacheLedger {
    const cache = this.caches.get(key) ?? { unsettled: 0, begun: 0, isInvalidated: false };
    this.caches.set(key, cache);
    return cache;
  }

  get owners(): ReadonlyMap<string, OwnerLedger> {
    return this.#owners;
  }
}
