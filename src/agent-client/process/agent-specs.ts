import type { WindowSize } from '../../runtime/process.ts';
import type { AgentText } from '../wire/control.ts';

/** A command to start. */
export interface StartSpec {
  /** The agent starts each id at most once. */
  readonly processId: string;
  /** `args[0]` is the program. */
  readonly args: readonly [AgentText, ...AgentText[]];
  /** `NAME=value`. */
  readonly env?: readonly AgentText[] | undefined;
  /** Absolute. @defaultValue the container's */
  readonly dir?: AgentText | undefined;
  /** @defaultValue the container's */
  readonly user?: string | undefined;
  readonly tty?: WindowSize | undefined;
  /** Whether stdin is a stream instead of `/dev/null`. @defaultValue false */
  readonly stdin?: boolean | undefined;
  /** SHA-256 of the specification, in hex. The agent keeps it, and returns it for a started id. */
  readonly specDigest?: string | undefined;
  /**
   * How much unacknowledged output the command may write before its writes block.
   *
   * @defaultValue the agent's, 256 MiB
   */
  readonly unackedLimitBytes?: number | undefined;
  /** How much acknowledged output the agent keeps. @defaultValue the agent's, 64 MiB */
  readonly retainBytes?: number | undefined;
}

export interface StartOutcome {
  /** Whether this start started the command. */
  readonly started: boolean;
  /** The digest of the specification that started it before. Absent if that start had none. */
  readonly specDigest?: string | undefined;
}

/** The process to attach to, and the offsets to start from. */
export interface AttachSpec {
  readonly processId: string;
  /** @defaultValue from the start */
  readonly from?: { readonly stdout: number | 'now'; readonly stderr: number | 'now' } | undefined;
  /** Whether this attachment feeds the command's stdin. @defaultValue false */
  readonly stdin?: boolean | undefined;
  /** Whether this attachment receives output. @defaultValue true */
  readonly output?: boolean | undefined;
  /** Among the attachments that feed stdin, the highest attempt owns it. @defaultValue 1 */
  readonly attempt?: number | undefined;
}

/** Removes a volume's content, or the record of a process that has ended. */
export type RemoveSpec = { readonly volume: string } | { readonly processId: string };
