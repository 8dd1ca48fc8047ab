import type { ProcessSpec } from '../../../../src/runtime/process.ts';
import type { PodWorker } from '../../../../src/worker/pod-worker.ts';
import type { ReplicaParts } from './replica.ts';

/** A worker of an incarnation. */
export interface OpenedReplica {
  readonly worker: PodWorker;
  /** Drops the connections of an incarnation that has crashed, or at the end. */
  readonly drop: () => void;
}

/** What a world runs on. */
export interface Platform {
  /** Whether the model sees the pods, their commands and the content of their volumes. */
  readonly seesPods: boolean;
  readonly open: (parts: ReplicaParts) => Promise<OpenedReplica>;
  /** Returns an archive with this text. */
  readonly archive: (text: string) => Promise<Buffer>;
  /** Returns the text of an archive. */
  readonly textOf: (archive: Buffer) => Promise<string>;
  /** Returns a command that writes a text to its outputs and caches. */
  readonly command: (text: string) => Pick<ProcessSpec, 'path' | 'args'>;
}
