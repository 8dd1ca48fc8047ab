import type { Container, OutputChunk, ProcessPosition } from '../../index.ts';
import { messageOf } from '../error-facts.ts';

/** The output of a process to read. */
export interface ObservedOutput {
  readonly processId: string;
  readonly from: ProcessPosition;
  /** Where to stop in each stream. @defaultValue the end of the process */
  readonly end?: ProcessPosition | undefined;
  readonly write: (chunk: Pick<OutputChunk, 'stream' | 'bytes'>) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Returns how much a process has printed by now. */
export async function currentEnd(
  container: Pick<Container, 'attach'>,
  processId: string,
  signal: AbortSignal,
): Promise<ProcessPosition> {
  await using probe = await container.attach(processId, {}, { from: 'now', observe: true, signal });
  return probe.position();
}

/**
 * Reads the output of a process as an observer, which leaves the process and its host alone. Resolves
 * with a description of each part that the pod no longer keeps.
 *
 * @throws the reason of the signal, or what `write` rejects with
 */
export async function observeOutput(
  container: Pick<Container, 'attach'>,
  { processId, from, end, write, signal }: ObservedOutput,
): Promise<readonly string[]> {
  const reader = new Reader(from, end, write);
  await using observer = await container.attach(processId, { output: reader.read }, { from, observe: true, signal });
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    const result = await Promise.race([observer.wait(), reader.done, aborted.promise]);
    return [...reader.gaps, ...(result?.undelivered ?? []).map(({ cause }) => messageOf(cause))];
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Passes the chunks of both streams on, up to the end that was set. */
class Reader {
  readonly gaps: string[] = [];
  readonly #position: { stdoutBytes: number; stderrBytes: number };
  readonly #end: ProcessPosition | undefined;
  readonly #write: ObservedOutput['write'];
  readonly #done = Promise.withResolvers<undefined>();

  constructor(from: ProcessPosition, end: ProcessPosition | undefined, write: ObservedOutput['write']) {
    this.#position = { ...from };
    this.#end = end;
    this.#write = write;
    this.#settle();
  }

  /** Resolves when both streams have reached the end. Rejects if a chunk cannot be written. */
  get done(): Promise<undefined> {
    return this.#done.promise;
  }

  readonly read = async ({ stream, offset, bytes }: OutputChunk): Promise<void> => {
    const field = `${stream}Bytes` as const;
    const limit = this.#end?.[field] ?? Number.POSITIVE_INFINITY;
    if (offset > this.#position[field] && this.#position[field] < limit)
      this.gaps.push(`${stream}: the pod no longer keeps bytes ${this.#position[field]} to ${offset}`);
    const wanted = bytes.subarray(0, Math.max(0, limit - offset));
    try {
      if (wanted.byteLength > 0) await this.#write({ stream, bytes: wanted });
    } catch (error) {
      this.#done.reject(error);
      throw error;
    }
    this.#position[field] = offset + bytes.byteLength;
    this.#settle();
  };

  #settle(): void {
    if (this.#end === undefined) return;
    const { stdoutBytes, stderrBytes } = this.#position;
    if (stdoutBytes >= this.#end.stdoutBytes && stderrBytes >= this.#end.stderrBytes) this.#done.resolve(undefined);
  }
}
