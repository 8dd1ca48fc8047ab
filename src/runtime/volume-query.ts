/**
 * The state of a volume. `docs/database.md` shows the moves between states.
 *
 * @public
 */
export type VolumeState = 'creating' | 'created' | 'failed' | 'destroying';

/**
 * The purpose of a volume: how its container mounts it, or `artifact` for one without a container.
 *
 * @public
 */
export type VolumeKind = 'dir' | 'input' | 'output' | 'cache' | 'artifact';

/**
 * The facts that the database has about a volume.
 *
 * @public
 */
export interface VolumeInfo {
  /** The unique and stable ID of the volume. `Worker.lookupVolume` accepts it. */
  readonly handle: string;
  /** The purpose of the volume. */
  readonly kind: VolumeKind;
  /** The state of the volume's row. */
  readonly state: VolumeState;
  /** The container of the volume. Absent for an artifact volume. */
  readonly containerHandle?: string | undefined;
  /** The path of the volume in its container. Absent for an artifact volume. */
  readonly mountPath?: string | undefined;
  /** The name of the output. Absent for the other kinds. */
  readonly name?: string | undefined;
  /** The team of an artifact volume. Absent if it has none, like a cache. */
  readonly teamId?: string | undefined;
  /** The name of the store that reads come from: `pod`, or the store of the volume's archive. */
  readonly store: string;
  /** When the content was complete and verified. Absent if it is not. */
  readonly readyAt?: Date | undefined;
  /** The SHA-256, in hex, of the last raw archive of the whole volume. Absent if it is not known. */
  readonly digest?: string | undefined;
  /** The size in bytes of that archive. Absent if it is not known. */
  readonly sizeBytes?: number | undefined;
  /** Since when an output is unsaved. Absent if it was saved or did not have to be. */
  readonly unsavedAt?: Date | undefined;
  /** When the reaper may delete an artifact volume. Absent for a volume of a container. */
  readonly expiresAt?: Date | undefined;
  /** When the row was inserted, by the database's clock. */
  readonly createdAt: Date;
}

/**
 * Selects volumes. A volume matches if it matches every field that is set.
 *
 * @public
 */
export interface VolumeQuery {
  /** Selects the volumes of the container with this handle. @defaultValue every volume */
  readonly containerHandle?: string | undefined;
  /** Selects volumes of this kind. @defaultValue every kind */
  readonly kind?: VolumeKind | undefined;
  /** Selects volumes in this state. @defaultValue every state */
  readonly state?: VolumeState | undefined;
  /** Continues after the page whose `VolumePage.next` this is. @defaultValue the first page */
  readonly after?: string | undefined;
  /** The maximum number of volumes in the page: 1 to 1,000. @defaultValue 100 */
  readonly limit?: number | undefined;
}

/**
 * A part of a list of volumes, oldest first.
 *
 * @public
 */
export interface VolumePage {
  /** The volumes of the page. */
  readonly volumes: readonly VolumeInfo[];
  /**
   * The cursor of the next page, for `VolumeQuery.after`. Absent on the last page. The text has no
   * other meaning.
   */
  readonly next?: string | undefined;
}
