import type { ContainerMetadata, ContainerOwner } from '../runtime/container.ts';
import type { ContainerState } from '../runtime/container-query.ts';
import type { VolumeKind, VolumeState } from '../runtime/volume-query.ts';

/**
 * A row of a container.
 *
 * @public
 */
export interface ContainerRecord {
  /** The unique and stable ID of the container. */
  readonly handle: string;
  /** The name of its worker. */
  readonly workerName: string;
  /** What keeps the container alive. */
  readonly owner: ContainerOwner;
  /** The state of the row. */
  readonly state: ContainerState;
  /** The name of its pod. */
  readonly podName: string;
  /** The uid of the container's pod, once it is known. */
  readonly podUid: string | undefined;
  /** Describes the container for operators. */
  readonly metadata: ContainerMetadata;
  /**
   * The parts of the spec that processes need: `dir`, `user`, the environment. Opaque to the
   * repository.
   */
  readonly settings: Readonly<Record<string, unknown>>;
  /**
   * The SHA-256, in hex, of the specification that the container was requested with. `undefined` in
   * rows from before it was stored.
   */
  readonly specDigest?: string | undefined;
  /** When a hijack of the container was last recorded or ended. */
  readonly lastHijackAt: Date | undefined;
  /** When the row was inserted, by the database's clock. */
  readonly createdAt: Date;
}

/**
 * Content as a raw archive. Two volumes with the same raw archive have the same files.
 *
 * @public
 */
export interface RawContent {
  /** The size of the raw archive in bytes. */
  readonly rawBytes: number;
  /** SHA-256 of the raw archive, in hex. */
  readonly digest: string;
}

/**
 * The content of an archive, as it was verified when the archive was written.
 *
 * @public
 */
export interface ArchiveContent extends RawContent {
  /** The number of bytes in the store. */
  readonly storedBytes: number;
  /** SHA-256 of the bytes in the store, in hex. */
  readonly storedDigest: string;
}

/**
 * An archive that is complete. It never changes.
 *
 * @public
 */
export interface ArchiveReference extends ArchiveContent {
  /** The ID of the archive's row. */
  readonly id: string;
  /** The name of the store. */
  readonly store: string;
  /** The key in the store. */
  readonly key: string;
}

/**
 * A row of a volume.
 *
 * @public
 */
export interface VolumeRecord {
  /** The unique and stable ID of the volume. */
  readonly handle: string;
  /** The name of its worker. */
  readonly workerName: string;
  /** The purpose of the volume. */
  readonly kind: VolumeKind;
  /** The state of the row. */
  readonly state: VolumeState;
  /** The container of the volume; `undefined` for an artifact volume. */
  readonly containerHandle: string | undefined;
  /** The path of the volume in its container. */
  readonly mountPath: string | undefined;
  /** The name of the output. */
  readonly name: string | undefined;
  /** The team of an artifact volume. */
  readonly teamId: string | undefined;
  /** The artifact store that has the bytes, for example `pod`. */
  readonly store: string;
  /** The location in that store. Opaque to the repository. */
  readonly location: Readonly<Record<string, string>>;
  /** When the content was complete and verified. `undefined` if it is not. */
  readonly readyAt: Date | undefined;
  /** The SHA-256, in hex, of the last raw archive that was streamed in to the root. */
  readonly digest: string | undefined;
  /** The size in bytes of the last raw archive that was streamed in to the root. */
  readonly sizeBytes: number | undefined;
  /** The archive of the content. `undefined` if only the volume's location has the content. */
  readonly archive?: ArchiveReference | undefined;
  /**
   * Since when the content has been unsaved, because no archive of it could be written. `undefined`
   * if no save has failed.
   */
  readonly unsavedAt?: Date | undefined;
  /** When an artifact volume expires. */
  readonly expiresAt: Date | undefined;
  /** When the row was inserted, by the database's clock. */
  readonly createdAt: Date;
}

/**
 * The stored result of a process.
 *
 * @public
 */
export interface ProcessResultRecord {
  /** The exit status, 0 to 255. */
  readonly exitStatus: number;
  /** The number of the signal that ended the command. `undefined` if no signal ended it. */
  readonly signal: number | undefined;
  /**
   * The number of processes in the container that the kernel killed for memory during this process;
   * `undefined` if it is unknown.
   */
  readonly oomKills: number | undefined;
  /** The bytes that the process has printed since its start; `undefined` if unknown. */
  readonly stdoutBytes?: number | undefined;
  /** The size of stderr from its start, in bytes; `undefined`: unknown. */
  readonly stderrBytes?: number | undefined;
  /** When the command was started, by its node's clock; `undefined` if unknown. */
  readonly startedAt?: Date | undefined;
  /** When the command ended, by its node's clock; `undefined` if unknown. */
  readonly finishedAt?: Date | undefined;
  /** SHA-256, in hex, of the specification that started it; `undefined` if unknown. */
  readonly specDigest?: string | undefined;
}
