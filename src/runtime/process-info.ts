/**
 * How a command ended.
 *
 * @public
 */
export interface ProcessOutcome {
  /** The exit status, 0 to 255. It is `128 + n` if signal `n` ended the command. */
  readonly exitStatus: number;
  /** The number of the signal that ended the command. Absent if it exited. */
  readonly signal?: number | undefined;
  /**
   * The number of processes in the container that the kernel killed for lack of memory while this
   * one ran. Absent if there were none, or if the kernel does not report them.
   */
  readonly oomKills?: number | undefined;
  /** When the command was started, by the clock of the pod's node. Absent if it is unknown. */
  readonly startedAt?: Date | undefined;
  /** When the command ended, by the clock of the pod's node. Absent if it is unknown. */
  readonly finishedAt?: Date | undefined;
}

/**
 * The state of a process. `lost`: its Kubernetes container was restarted while it ran, and how it
 * ended cannot be determined.
 *
 * @public
 */
export type ProcessState = 'running' | 'ended' | 'lost';

/**
 * A process of a container, without its output.
 *
 * @public
 */
export interface ProcessInfo {
  /** The ID of the process in its container. `Container.attach` accepts it. */
  readonly id: string;
  /** The state of the process. */
  readonly state: ProcessState;
  /**
   * The result in the database. Absent if none is stored: a process that has ended gets one from
   * `Process.wait` or `Container.stopProcess`. A command that the kernel killed for lack of memory
   * has exit status 137 and `oomKills` here; `Process.wait` rejects with `OutOfMemoryError`.
   */
  readonly result?: ProcessOutcome | undefined;
}
