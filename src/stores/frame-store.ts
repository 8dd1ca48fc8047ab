import type { SharedMemory } from '../internal/shared-memory.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { CopyOptions, ReceivedArchive, StoreLocation } from './artifact-store.ts';

/**
 * A part of a raw archive as it travels: at most 256 KiB of raw bytes, as they are or as one
 * independent zstd frame.
 */
export interface ArchiveFrame {
  readonly encoding: 'raw' | 'zstd';
  /** The number of raw bytes. */
  readonly rawLength: number;
  /** The bytes in their encoding. */
  readonly bytes: Uint8Array;
  /**
   * The memory of the bytes, if they are alone in it. The caller of `next` is its user, and releases it
   * when the frame was passed on. What uses the bytes for longer holds it.
   *
   * @defaultValue the collector frees the bytes
   */
  readonly memory?: SharedMemory | undefined;
}

/** The size and digest of a raw archive, as its sender has computed them. */
export interface FramesEnd {
  readonly rawBytes: number;
  /** SHA-256 in hex. */
  readonly digest: string;
}

/** The frames of one archive, in order. Read once. */
export interface ArchiveFrames {
  /**
   * Resolves with the next frames: at least one, or none at the end. Rejects with the error that has
   * ended the frames. Frames that were not passed on yet fill the sender's window.
   */
  next(): Promise<readonly ArchiveFrame[]>;
  /** Reports that a frame was passed on, so that the sender may send more. */
  passed(frame: ArchiveFrame): void;
  /** The end, once `next` has resolved with none. */
  readonly end: FramesEnd | undefined;
  /** Ends the frames early, at the sender as well. Idempotent. */
  stop(): void;
}

/** Where frames come from. Opened again where a transfer restarts. */
export type FrameSource = (options: AbortOptions) => Promise<ArchiveFrames>;

/** A store that moves the content of its places as frames, neither decoded nor encoded again. */
export interface FrameStore {
  /** Opens the whole content of a place. The signal covers all frames. */
  sendFrames(location: StoreLocation, options?: AbortOptions): Promise<ArchiveFrames>;
  /**
   * Unpacks an archive into a place, completely or not at all. Resolves when the agent has verified
   * the bytes against the end of the frames.
   */
  receiveFrames(location: StoreLocation, source: FrameSource, options?: CopyOptions): Promise<ReceivedArchive>;
  /** Returns the size and digest of the archive that `sendFrames` would send. Moves no bytes. */
  digestOf(location: StoreLocation, options?: AbortOptions): Promise<FramesEnd>;
}
