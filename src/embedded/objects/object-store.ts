import { randomUUID } from 'node:crypto';
import { type ApiObject, apiTime } from './api-object.ts';
import { alreadyExists, expired, notFound, staleVersion } from './status.ts';

/**
 * One change of one object. `previous` is the object before the change, for selectors that no
 * longer match.
 */
export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly version: number;
  readonly object: ApiObject;
  readonly previous: ApiObject | undefined;
}

export type StoreListener = (event: StoreEvent) => void;

interface Collection {
  readonly objects: Map<string, ApiObject>;
  readonly history: StoreEvent[];
  readonly listeners: Set<StoreListener>;
  /** The store has discarded the changes up to this version. */
  discardedVersion: number;
}

interface StoreOptions {
  /** The number of changes to keep for each resource, for watches that begin in the past. */
  readonly historyLength: number;
  readonly now: () => number;
}

/** A new object without the uid, the version and the times, which the store adds. */
export type NewObject = Omit<ApiObject, 'metadata'> & {
  readonly metadata: Omit<ApiObject['metadata'], 'uid' | 'resourceVersion' | 'creationTimestamp'>;
};

/**
 * The objects of the cluster with resource versions: one counter for all kinds, as in etcd.
 * Notifies subscribers of every change in order, synchronously. Keeps recent changes, so that a
 * watch can begin at a past version.
 */
export class ObjectStore {
  readonly #collections = new Map<string, Collection>();
  readonly #options: StoreOptions;
  readonly #undelivered: (() => void)[] = [];
  #delivering = false;
  #version = 1;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** The version of the latest change. */
  get version(): number {
    return this.#version;
  }

  /**
   * Stores the object. A dry run stores nothing, and the object has no version.
   *
   * @throws ApiError 409 if the name is taken
   */
  create(resource: string, object: NewObject, { dryRun = false }: { readonly dryRun?: boolean } = {}): ApiObject {
    const key = keyOf(object.metadata.namespace, object.metadata.name);
    const collection = this.#collection(resource);
    if (collection.objects.has(key)) throw alreadyExists(resource, object.metadata.name);
    const version = dryRun ? undefined : this.#nextVersion();
    const { name, generateName, namespace, ...rest } = object.metadata;
    const created: ApiObject = {
      ...object,
      metadata: {
        name,
        ...(generateName === undefined ? {} : { generateName }),
        ...(namespace === undefined ? {} : { namespace }),
        uid: randomUUID(),
        resourceVersion: version === undefined ? '' : String(version),
        creationTimestamp: apiTime(this.#options.now()),
        ...rest,
      },
    };
    if (version === undefined) return created;
    collection.objects.set(key, created);
    this.#publish(collection, { type: 'ADDED', version, object: created, previous: undefined });
    return created;
  }

  find(resource: string, namespace: string | undefined, name: string): ApiObject | undefined {
    return this.#collection(resource).objects.get(keyOf(namespace, name));
  }

  /** @throws ApiError 404 */
  get(resource: string, namespace: string | undefined, name: string): ApiObject {
    const found = this.find(resource, namespace, name);
    if (found === undefined) throw notFound(resource, name);
    return found;
  }

  /** Returns the objects of one namespace, or of all, ordered by namespace and name. */
  list(resource: string, namespace?: string): ApiObject[] {
    const objects = [...this.#collection(resource).objects.entries()];
    return objects
      .filter(([, object]) => namespace === undefined || object.metadata.namespace === namespace)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
  }

  /**
   * Replaces an object. Does nothing, and uses no version, if the object is unchanged.
   * @throws ApiError 404 if the object no longer exists or another object has replaced it; 409 if
   * `object` carries a version that is not the current one
   */
  update(resource: string, object: ApiObject): ApiObject {
    const { namespace, name, uid, resourceVersion } = object.metadata;
    const collection = this.#collection(resource);
    const previous = this.get(resource, namespace, name);
    if (uid !== '' && uid !== previous.metadata.uid) throw notFound(resource, name);
    if (resourceVersion !== '' && resourceVersion !== previous.metadata.resourceVersion)
      throw staleVersion(resource, name);
    const unchanged = withVersion(object, previous.metadata.resourceVersion);
    if (JSON.stringify(unchanged) === JSON.stringify(previous)) return previous;
    const version = this.#nextVersion();
    const updated = withVersion(object, String(version));
    collection.objects.set(keyOf(namespace, name), updated);
    this.#publish(collection, { type: 'MODIFIED', version, object: updated, previous });
    return updated;
  }

  /** Removes an object and returns it. Returns `undefined` if the object does not exist. */
  remove(resource: string, namespace: string | undefined, name: string): ApiObject | undefined {
    const collection = this.#collection(resource);
    const key = keyOf(namespace, name);
    const previous = collection.objects.get(key);
    if (previous === undefined) return undefined;
    collection.objects.delete(key);
    const version = this.#nextVersion();
    const object = withVersion(previous, String(version));
    this.#publish(collection, { type: 'DELETED', version, object, previous });
    return object;
  }

  /** Calls `listener` for each change until the returned function is called. */
  subscribe(resource: string, listener: StoreListener): () => void {
    const { listeners } = this.#collection(resource);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * Returns the changes after `version`.
   * @throws ApiError 410 if the store has discarded some of them
   */
  since(resource: string, version: number): readonly StoreEvent[] {
    const { history, discardedVersion } = this.#collection(resource);
    if (version < discardedVersion) throw expired(`too old resource version: ${version} (${discardedVersion})`);
    return history.filter((event) => event.version > version);
  }

  #collection(resource: string): Collection {
    const existing = this.#collections.get(resource);
    if (existing !== undefined) return existing;
    const collection: Collection = { objects: new Map(), history: [], listeners: new Set(), discardedVersion: 0 };
    this.#collections.set(resource, collection);
    return collection;
  }

  #nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }

  #publish(collection: Collection, event: StoreEvent): void {
    collection.history.push(event);
    while (collection.history.length > this.#options.historyLength) {
      collection.discardedVersion = collection.history.shift()?.version ?? collection.discardedVersion;
    }
    this.#undelivered.push(() => {
      for (const listener of [...collection.listeners]) listener(event);
    });
    this.#deliver();
  }

  /**
   * Delivers events one after the other. A listener may change objects; the resulting events follow
   * the current one, so that all listeners receive the same order.
   */
  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let next = this.#undelivered.shift(); next !== undefined; next = this.#undelivered.shift()) next();
    } finally {
      this.#delivering = false;
    }
  }
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`;
}

function withVersion(object: ApiObject, resourceVersion: string): ApiObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}
