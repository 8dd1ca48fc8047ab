import { ProtocolViolationError } from '../errors/connection.ts';
import { DigestMismatchError } from '../errors/transfer.ts';
import type { ArchiveFrame, ArchiveFrames, FramesEnd } from '../stores/frame-store.ts';
import { RawContent } from './raw-content.ts';

/**
 * Frames that the host passes on as they are, and of which it expands a copy. They end only after the
 * copy has the size and digest that their sender has computed: a step can change the agent of its pod,
 * so the sender's word is no proof.
 *
 * `next` rejects with DigestMismatchError or ProtocolViolationError if they do not agree.
 */
export class ProvenFrames implements ArchiveFrames {
  readonly #frames: ArchiveFrames;
  readonly #content = new RawContent();
  #end: FramesEnd | undefined;

  constructor(frames: ArchiveFrames) {
    this.#frames = frames;
  }

  get end(): FramesEnd | undefined {
    return this.#end;
  }

  async next(): Promise<readonly ArchiveFrame[]> {
    const frames = await this.#frames.next();
    for (const frame of frames) await expanded(this.#content.count(frame));
    if (frames.length === 0) this.#end ??= await this.#prove();
    return frames;
  }

  passed(frame: ArchiveFrame): void {
    this.#frames.passed(frame);
  }

  stop(): void {
    if (this.#frames.end === undefined) this.#frames.stop();
  }

  async #prove(): Promise<FramesEnd> {
    await expanded(this.#content.countRest());
    const [has, sent] = [this.#content.end(), this.#frames.end];
    if (sent === undefined) throw new Error('the frames have no end');
    if (has.rawBytes === sent.rawBytes && has.digest === sent.digest) return sent;
    throw new DigestMismatchError(
      { bytes: has.rawBytes },
      `the agent sent ${sent.rawBytes} bytes with SHA-256 ${sent.digest}, the received bytes are ${has.rawBytes} with ${has.digest}`,
    );
  }
}

async function expanded(counted: Promise<void>): Promise<void> {
  try {
    await counted;
  } catch (cause) {
    throw new ProtocolViolationError('a frame of an archive is not zstd of its length', { cause });
  }
}
