import type { Readable, Writable } from 'node:stream';

/** A directory or file of this machine at a path of the container. */
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

/** Everything that starting one container takes. */
export interface ContainerSpec {
  /** A directory of its own, for what the container needs beside its mounts. Exists; the caller removes it. */
  readonly directory: string;
  /** Unique among all containers of the machine; found again in the environment of its processes. */
  readonly id: string;
  readonly hostname: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly mounts: readonly ContainerMount[];
  /** Whom to become; the user of this process where it is left out or can't be honoured. */
  readonly user: ContainerUser | undefined;
}

/** How a process ended: with an exit code, by a signal, or before it began (`message` in the words of a container runtime). */
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

/** A further process in a container. It lives on when nobody reads it any more. */
export interface ExecProcess {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Settles when the process has ended; its outputs may still hold bytes. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Sets the size of its terminal; nothing happens without one. */
  resize(columns: number, rows: number): void;
}

/** A container whose first process has been started, or couldn't be. */
export interface RunningContainer {
  /** Whether the command has begun; where not, `ended` says why. */
  readonly began: boolean;
  /** Its number on this machine, as far as it is known. */
  readonly pid: number | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles when the first process has ended and nothing else of the container runs. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Sends a signal to the first process. */
  signal(signal: NodeJS.Signals): void;
  /** Kills whatever runs in the container. */
  kill(): void;
  exec(spec: ExecSpec): Promise<ExecProcess>;
}

/** A way to run containers on this machine. */
export interface ContainerRuntime {
  readonly isolation: 'namespaces' | 'mapped';
  /** Resolves when the command has been started, or couldn't be: then `ended` says so at once. */
  start(spec: ContainerSpec): Promise<RunningContainer>;
}
