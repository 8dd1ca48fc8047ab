import type { ContainerMetadata, ContainerOwner } from '../runtime/container.ts';

/** @public */
export type ContainerState = 'creating' | 'created' | 'failed' | 'destroying';

/** @public */
export type VolumeState = 'creating' | 'created' | 'failed' | 'destroying';

/** @public */
export type VolumeKind = 'dir' | 'input' | 'output' | 'cache' | 'artifact';

/**
 * A row of a container.
 *
 * @public
 */
export interface ContainerRecord {
  readonly handle: string;
  readonly workerName: string;
  readonly owner: ContainerOwner;
  readonly state: ContainerState;
  readonly podName: string;
  /** The uid of the container's pod, once it is known. */
  readonly podUid: string | undefined;
  readonly metadata: ContainerMetadata;
  /**
   * The parts of the spec that processes need: `dir`, `user`, the environment. Opaque to the
   * repository.
   */
  readonly settings: Readonly<Record<string, unknown>>;
  /** When a hijack of the container was last recorded or ended. */
  readonly lastHijackAt: Date | undefined;
  readonly createdAt: Date;
}

/**
 * A row of a volume.
 *
 * @public
 */
export interface VolumeRecord {
  readonly handle: string;
  readonly workerName: string;
  readonly kind: VolumeKind;
  readonly state: VolumeState;
  /** The container of the volume; `undefined` for an artifact volume. */
  readonly containerHandle: string | undefined;
  /** The path of the volume in its container. */
  readonly mountPath: string | undefined;
  /** The name of the output. */
  readonly name: string | undefined;
  readonly teamId: string | undefined;
  /** The artifact store that has the bytes, for example `pod`. */
  readonly store: string;
  /** The location in that store. Opaque to the repository. */
  readonly location: Readonly<Record<string, string>>;
  readonly readyAt: Date | undefined;
  readonly digest: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly expiresAt: Date | undefined;
  readonly createdAt: Date;
}

/**
 * The stored result of a process.
 *
 * @public
 */
export interface ProcessResultRecord {
  readonly exitStatus: number;
  readonly signal: number | undefined;
  /**
   * The number of processes in the container that the kernel killed for memory during this process;
   * `undefined` if it is unknown.
   */
  readonly oomKills: number | undefined;
  /** The bytes that the process has printed since its start; `undefined` if unknown. */
  readonly stdoutBytes?: number | undefined;
  readonly stderrBytes?: number | undefined;
}
