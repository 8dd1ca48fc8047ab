import type { CommandRig } from '../../support/service/command-rig.ts';

/** What the suites of commands expect of one command. */
export interface CommandRow {
  /** Runs the command as its users do, and expects what docs/cli.md promises. */
  readonly works: (rig: CommandRig) => Promise<void>;
  /** Words after the command that it refuses with 64 before it does anything. */
  readonly refused: readonly (readonly string[])[];
  /** Words after the command with which it succeeds, or runs until an interrupt. */
  readonly args: (rig: CommandRig) => readonly string[];
  /** How the command ends if no API server answers. `undefined` if it needs none. */
  readonly withoutCluster?: number;
  /** How the command ends if no database answers. `undefined` if it needs none. */
  readonly withoutDatabase?: number;
  /** How the command ends if the database has no worker of the name. `undefined` if it needs none. */
  readonly withoutWorker?: number;
  /** Whether its result is text on stdout. */
  readonly prints?: false;
  /** How the command ends at SIGINT while a server that it needs is silent. @defaultValue 130 */
  readonly interrupted?: number;
  /** Kills the command with SIGKILL, and expects that nothing half is left. */
  readonly killed?: (rig: CommandRig) => Promise<void>;
  /** Runs the command on a full disk. */
  readonly onFullDisk?: (rig: CommandRig, folder: string) => Promise<void>;
}
