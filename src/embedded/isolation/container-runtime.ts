import type { Readable, Writable } from 'node:stream';

/** A directory or file of this machine that is mounted at a path of the container. */
export interface ContainerMount {
  /** Absolute, normalised. */
  readonly path: string;
  readonly source: string;
  readonly kind: 'directory' | 'file';
  readonly readOnly: boolean;
}

export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** The description of one container to start. */
export interface ContainerSpec {
  /**
   * A directory of this container alone, for its root and its mount tables. Exists; the caller
   * removes it.
   */
  readonly directory: string;
  /**
   * Unique among all containers of the machine. The environment of the container's processes
   * contains it.
   */
  readonly id: string;
  readonly hostname: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly mounts: readonly ContainerMount[];
  /**
   * The user that the container runs as. Defaults to the user of this process, also where the
   * runtime cannot change the user.
   */
  readonly user: ContainerUser | undefined;
}

/**
 * How a process ended: with an exit code, by a signal, or before it started (`refused`, with the
 * message of a container runtime).
 */
export type ProcessEnd =
  | { readonly kind: 'exited'; readonly exitCode: number; readonly signal: NodeJS.Signals | undefined }
  | { readonly kind: 'refused'; readonly message: string };

export interface ExecSpec {
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** An additional process in a container. It continues to run when its streams are closed. */
export interface ExecProcess {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Resolves when the process has ended; its outputs may still hold bytes. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Sets the size of the process's terminal. Does nothing without a terminal. */
  resize(columns: number, rows: number): void;
}

/** A container whose first process was started or failed to start. */
export interface RunningContainer {
  /** Whether the command started. If not, `ended` has the reason. */
  readonly began: boolean;
  /** The first process's id on this machine, if it is known. */
  readonly pid: number | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /**
   * Resolves when the first process has ended and no other process of the container runs. Never
   * rejects.
   */
  readonly ended: Promise<ProcessEnd>;
  /** Sends a signal to the first process. */
  signal(signal: NodeJS.Signals): void;
  /** Kills every process in the container. */
  kill(): void;
  exec(spec: ExecSpec): Promise<ExecProcess>;
}

/** A way to run containers on this machine. */
export interface ContainerRuntime {
  readonly isolation: 'namespaces' | 'mapped';
  /**
   * Resolves when the command has started or failed to start; in the latter case `ended` is already
   * resolved.
   */
  start(spec: ContainerSpec): Promise<RunningContainer>;
}
