import type { WindowSize } from '../../runtime/process.ts';
import type { AgentText } from '../wire/control.ts';

/** A command to start. */
export interface StartSpec {
  /** The process's id: started at most once. */
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
  /** Whether it has a stdin other than `/dev/null`. @defaultValue false */
  readonly stdin?: boolean | undefined;
  /** How much unacknowledged output the command may write before it waits. @defaultValue the agent's, 256 MiB */
  readonly unackedLimitBytes?: number | undefined;
  /** How much acknowledged output is kept. @defaultValue the agent's, 64 MiB */
  readonly retainBytes?: number | undefined;
}

/** What to attach to, and from where. */
export interface AttachSpec {
  readonly processId: string;
  /** @defaultValue from the start */
  readonly from?: { readonly stdout: number | 'now'; readonly stderr: number | 'now' } | undefined;
  /** Whether this attachment feeds the command's stdin. @defaultValue false */
  readonly stdin?: boolean | undefined;
  /** Whether it wants output. @defaultValue true */
  readonly output?: boolean | undefined;
  /** Of several attachments that feed stdin, the highest owns it. @defaultValue 1 */
  readonly attempt?: number | undefined;
}

/** A folder in a volume to unpack into. */
export interface ReceiveSpec {
  readonly volume: string;
  /** @defaultValue the root */
  readonly path?: AgentText | undefined;
  /** The most bytes that the files' content may have. @defaultValue no limit */
  readonly expandedLimitBytes?: number | undefined;
  /** @defaultValue false */
  readonly keepOwner?: boolean | undefined;
  /** What to do with set-id bits. @defaultValue `'clear'` */
  readonly setId?: 'error' | 'clear' | undefined;
  /** Of the lease under which this is done. An agent that was fenced with a later one refuses it. @defaultValue it is not fenced */
  readonly generation?: number | undefined;
}

/** Something in a volume to pack. */
export interface SendSpec {
  readonly volume: string;
  /** @defaultValue the root */
  readonly path?: AgentText | undefined;
  /** @defaultValue false */
  readonly keepOwner?: boolean | undefined;
}

/** What to copy between volumes of a pod. */
export interface CopySpec {
  readonly from: string;
  readonly to: string;
  readonly path?: AgentText | undefined;
  readonly toPath?: AgentText | undefined;
}

/** What to remove: a volume's content, or the record of a process that has ended. */
export type RemoveSpec = { readonly volume: string } | { readonly processId: string };
