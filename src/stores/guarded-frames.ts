import type { ArchiveFrame, ArchiveFrames, FramesEnd } from './frame-store.ts';

/**
 * Frames from a pod that is watched until they end. A failure is reported as what happened to the
 * pod.
 */
export class GuardedFrames implements ArchiveFrames {
  readonly #frames: ArchiveFrames;
  readonly #guard: Disposable;
  readonly #explain: (error: unknown) => Promise<unknown>;

  /** @param explain - resolves with the error to report. Never rejects */
  constructor(frames: ArchiveFrames, guard: Disposable, explain: (error: unknown) => Promise<unknown>) {
    this.#frames = frames;
    this.#guard = guard;
    this.#explain = explain;
  }

  get end(): FramesEnd | undefined {
    return this.#frames.end;
  }

  async next(): Promise<readonly ArchiveFrame[]> {
    try {
      const frames = await this.#frames.next();
      if (frames.length === 0) this.#guard[Symbol.dispose]();
      return frames;
    } catch (error) {
      this.#guard[Symbol.dispose]();
      throw await this.#explain(error);
    }
  }

  passed(frame: ArchiveFrame): void {
    this.#frames.passed(frame);
  }

  stop(): void {
    this.#guard[Symbol.dispose]();
    this.#frames.stop();
  }
}
