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
  /** The uid of the pod that was made for it, once known. */
  readonly podUid: string | undefined;
  readonly metadata: ContainerMetadata;
  /** What processes need of the spec: `dir`, `user`, the environment. Opaque to the repository. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** When somebody was last known to work in it by hand. */
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
  /** The container that it belongs to; undefined for an artifact volume. */
  readonly containerHandle: string | undefined;
  /** Where the container has it. */
  readonly mountPath: string | undefined;
  /** The output's name. */
  readonly name: string | undefined;
  readonly teamId: string | undefined;
  /** The artifact store that has its bytes, like `pod`. */
  readonly store: string;
  /** Where in that store: opaque to the repository. */
  readonly location: Readonly<Record<string, string>>;
  readonly readyAt: Date | undefined;
  readonly digest: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly expiresAt: Date | undefined;
  readonly createdAt: Date;
}

/**
 * How a process ended, as it is stored.
 *
 * @public
 */
export interface ProcessResultRecord {
  readonly exitStatus: number;
  readonly signal: number | undefined;
  /** How many processes of the container the kernel killed for memory meanwhile; `undefined`: not known. */
  readonly oomKills: number | undefined;
  /** How much it printed from its start; `undefined`: not known. */
  readonly stdoutBytes?: number | undefined;
  readonly stderrBytes?: number | undefined;
}
