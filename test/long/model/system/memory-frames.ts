import type { Readable } from 'node:stream';

import { OperationLostError } from '../../../../src/errors/transfer.ts';
import { generatedReadable } from '../../../../src/internal/generated-readable.ts';
import type { AbortOptions } from '../../../../src/runtime/options.ts';
import type { ArchiveFrame, ArchiveFrames, FramesEnd } from '../../../../src/stores/frame-store.ts';
import type { Gate } from './gate.ts';
import type { MemoryPod } from './memory-pods.ts';
import { sha256 } from './sha256.ts';

/** An archive on its way from the agent of a pod. Its bytes wait at the gate. */
export interface ArchiveOnItsWay {
  readonly caller: string;
  readonly gate: Gate;
  readonly pod: MemoryPod;
  readonly bytes: Buffer;
}

/** Resolves with the bytes if the pod still runs when they arrive. */
async function arrive({ caller, gate, pod, bytes }: ArchiveOnItsWay, { signal }: AbortOptions): Promise<Buffer> {
  const failure = (): Error => new OperationLostError({ handle: pod.handle, path: undefined }, 'no answer');
  const effect = (): Buffer => {
    if (!pod.runs) throw failure();
    return bytes;
  };
  const name = `${caller} receives an archive from ${pod.name}`;
  return await gate.pass({ caller, kind: 'event', name, effect, failure, signal });
}

/** Returns the archive as a readable that stays open until its bytes have arrived. */
export function readableOnItsWay(archive: ArchiveOnItsWay, { signal }: AbortOptions): Readable {
  const stopped = new AbortController();
  return generatedReadable(bytesOf(archive, { signal: stopped.signal }), {
    stop: (reason) => stopped.abort(reason),
    signal,
  });
}

async function* bytesOf(archive: ArchiveOnItsWay, options: AbortOptions): AsyncGenerator<Uint8Array> {
  yield await arrive(archive, options);
}

/** The archive as one frame. */
export class MemoryFrames implements ArchiveFrames {
  readonly #archive: ArchiveOnItsWay;
  readonly #stopped = new AbortController();
  readonly #signal: AbortSignal;
  #end: FramesEnd | undefined;
  #isRead = false;

  constructor(archive: ArchiveOnItsWay, { signal }: AbortOptions) {
    this.#archive = archive;
    this.#signal = signal === undefined ? this.#stopped.signal : AbortSignal.any([signal, this.#stopped.signal]);
  }

  get end(): FramesEnd | undefined {
    return this.#end;
  }

  async next(): Promise<readonly ArchiveFrame[]> {
    const { bytes } = this.#archive;
    if (this.#isRead) {
      this.#end = { rawBytes: bytes.length, digest: sha256(bytes) };
      return [];
    }
    await arrive(this.#archive, { signal: this.#signal });
    this.#isRead = true;
    return [{ encoding: 'raw', rawLength: bytes.length, bytes }];
  }

  passed(): void {
    // The frame is the only one.
  }

  stop(): void {
    this.#stopped.abort();
  }
}

/** Reads frames that are not compressed to their end. */
export async function wholeOf(frames: ArchiveFrames): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let batch = await frames.next(); batch.length > 0; batch = await frames.next())
    for (const { encoding, bytes } of batch) {
      if (encoding !== 'raw') throw new Error(`an archive of the model has a frame of ${encoding}`);
      pieces.push(bytes);
    }
  return Buffer.concat(pieces);
}
