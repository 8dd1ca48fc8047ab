import type { AgentText } from '../wire/control.ts';

/** A folder in a volume to unpack into. */
export interface ReceiveSpec {
  readonly volume: string;
  /** @defaultValue the root */
  readonly path?: AgentText | undefined;
  /** The limit of the files' total content. @defaultValue no limit */
  readonly expandedLimitBytes?: number | undefined;
  /** @defaultValue false */
  readonly keepOwner?: boolean | undefined;
  /** How to treat set-id bits. @defaultValue `'clear'` */
  readonly setId?: 'error' | 'clear' | undefined;
  /**
   * The generation of the lease that covers the upload. An agent that is fenced with a later one
   * refuses the upload.
   *
   * @defaultValue the upload is not fenced
   */
  readonly generation?: number | undefined;
}

/** A path in a volume to pack. */
export interface SendSpec {
  readonly volume: string;
  /** @defaultValue the root */
  readonly path?: AgentText | undefined;
  /** @defaultValue false */
  readonly keepOwner?: boolean | undefined;
}

/** A copy between two volumes of a pod. */
export interface CopySpec {
  readonly from: string;
  readonly to: string;
  readonly path?: AgentText | undefined;
  readonly toPath?: AgentText | undefined;
}
