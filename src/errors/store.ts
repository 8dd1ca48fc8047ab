import { KubernetesWorkerError } from './base.ts';

/**
 * Identifies the archive of an error, as far as it is known.
 *
 * @public
 */
export interface ArchiveFacts {
  /** The name of the store. */
  readonly store: string;
  /** The key of the archive in the store. */
  readonly key?: string | undefined;
  /** The handle of the volume whose content it is. */
  readonly volume?: string | undefined;
}

/**
 * Thrown if an archive store does not answer, or cannot serve a request now.
 *
 * @public
 */
export class StoreUnavailableError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_STORE_UNAVAILABLE';
  /** The name of the store. */
  readonly store: string;
  /** The key of the archive in the store. */
  readonly key: string | undefined;

  constructor(facts: ArchiveFacts, detail: string, options?: ErrorOptions) {
    super(`${subjectOf(facts)} is unavailable: ${detail}`, true, options);
    this.store = facts.store;
    this.key = facts.key;
  }
}

/**
 * Thrown if an archive store refuses a request because the worker lacks a right.
 *
 * @public
 */
export class StoreDeniedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_STORE_DENIED';
  /** The name of the store. */
  readonly store: string;
  /** The key of the archive in the store. */
  readonly key: string | undefined;
  /** The missing right, as the store names it, such as `s3:PutObject`. */
  readonly right: string;

  constructor(facts: ArchiveFacts, right: string, detail: string, options?: ErrorOptions) {
    super(`${subjectOf(facts)} refuses ${right}: ${detail}`, false, options);
    this.store = facts.store;
    this.key = facts.key;
    this.right = right;
  }
}

/**
 * Thrown if an archive that the database refers to is not in its store. Another client has deleted
 * it.
 *
 * @public
 */
export class ArchiveMissingError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_ARCHIVE_MISSING';
  /** The name of the store. */
  readonly store: string;
  /** The key of the archive in the store. */
  readonly key: string;
  /** The handle of the volume, if the archive was read as its content. */
  readonly volume: string | undefined;

  constructor(facts: ArchiveFacts & { readonly key: string }, options?: ErrorOptions) {
    super(`archive ${nameOf(facts)} is missing in store ${JSON.stringify(facts.store)}`, false, options);
    this.store = facts.store;
    this.key = facts.key;
    this.volume = facts.volume;
  }
}

/**
 * Thrown if the bytes of an archive in a store differ from those that were written.
 *
 * @public
 */
export class ArchiveDamagedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_ARCHIVE_DAMAGED';
  /** The name of the store. */
  readonly store: string;
  /** The key of the archive in the store. */
  readonly key: string;
  /** The handle of the volume, if the archive was read as its content. */
  readonly volume: string | undefined;

  constructor(facts: ArchiveFacts & { readonly key: string }, detail: string, options?: ErrorOptions) {
    super(`archive ${nameOf(facts)} in store ${JSON.stringify(facts.store)} is damaged: ${detail}`, false, options);
    this.store = facts.store;
    this.key = facts.key;
    this.volume = facts.volume;
  }
}

/**
 * Thrown if other calls have changed a volume in an archive store while this call changed it. This
 * call has changed nothing.
 *
 * @public
 */
export class VolumeChangedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_VOLUME_CHANGED';
  /** The handle of the volume. */
  readonly handle: string;

  constructor(handle: string, options?: ErrorOptions) {
    super(`volume ${handle} was changed by another call: repeat this call`, true, options);
    this.handle = handle;
  }
}

function subjectOf({ store, key }: ArchiveFacts): string {
  const name = `store ${JSON.stringify(store)}`;
  return key === undefined ? name : `${name} (archive ${key})`;
}

function nameOf({ key, volume }: ArchiveFacts & { readonly key: string }): string {
  return volume === undefined ? key : `${key} of volume ${volume}`;
}
