import type { Container, OutputChunk, ProcessPosition } from '../../../index.ts';
import { HttpError } from '../http/http-error.ts';
import type { Reply } from '../http/request.ts';
import { fieldsOf, flag, invalid, oneOf, wholeNumber } from '../query.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { type StreamName, TailBuffer, tailBytes } from './tail-buffer.ts';

/** What a client requests of a log. */
interface LogQuery {
  readonly streams: readonly StreamName[];
  readonly follow: boolean;
  /** The number of lines at the end. */
  readonly tail: number | undefined;
  /** The offset in the one stream. */
  readonly sinceBytes: number | undefined;
}

const maxTailLines = 10_000;

/** States the offset in each stream at which a response without `tail` begins. */
const beginHeader = 'Kw-Output-Begin';

/** The output of processes as responses that stream. */
export class TaskLogs {
  readonly #maxStreams: number;
  #streams = 0;

  constructor(maxStreams: number) {
    this.#maxStreams = maxStreams;
  }

  /** @throws HttpError - a parameter is invalid, the process is unknown, or too many streams run */
  async reply(container: Container, processId: string, query: URLSearchParams, signal: AbortSignal): Promise<Reply> {
    const log = logQueryOf(query);
    if (this.#streams >= this.#maxStreams)
      throw new HttpError('KW_HTTP_BUSY', 'The server streams as many logs as it may at once.');
    this.#streams += 1;
    try {
      const end = await endOf(container, processId, signal);
      const from = await beginOf(container, processId, log, end, signal);
      if (log.follow) requireReached(log, end);
      const stream = (streaming: AbortSignal): AsyncIterable<Uint8Array> =>
        this.#counted(outputOf(container, processId, log, { from, end }, streaming));
      const begins = log.streams.map((name) => `${name}=${from[`${name}Bytes`]}`).join(', ');
      const headers: Readonly<Record<string, string>> = log.tail === undefined ? { [beginHeader]: begins } : {};
      return { status: 200, headers, content: { stream, type: 'text/plain; charset=utf-8' } };
    } finally {
      this.#streams -= 1;
    }
  }

  async *#counted(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    this.#streams += 1;
    try {
      yield* chunks;
    } finally {
      this.#streams -= 1;
    }
  }
}

function logQueryOf(query: URLSearchParams): LogQuery {
  const fields = fieldsOf(query, ['stream', 'follow', 'tail', 'sinceBytes']);
  const stream = oneOf('stream', fields.stream, ['stdout', 'stderr', 'all']) ?? 'all';
  const tail = wholeNumber('tail', fields.tail, { min: 0, max: maxTailLines });
  const sinceBytes = wholeNumber('sinceBytes', fields.sinceBytes, { min: 0, max: Number.MAX_SAFE_INTEGER });
  if (sinceBytes !== undefined && stream === 'all')
    throw invalid('sinceBytes', 'requires stream=stdout or stream=stderr, because each stream has its own offsets');
  if (sinceBytes !== undefined && tail !== undefined) throw invalid('sinceBytes', 'cannot be combined with tail');
  return {
    streams: stream === 'all' ? ['stdout', 'stderr'] : [stream],
    follow: flag('follow', fields.follow),
    tail,
    sinceBytes,
  };
}

/**
 * Returns the present ends of the streams.
 *
 * @throws HttpError - the process is unknown, or its output no longer exists
 */
async function endOf(container: Container, processId: string, signal: AbortSignal): Promise<ProcessPosition> {
  const process = await container.findProcess(processId, { signal });
  if (process === undefined) throw new HttpError('KW_HTTP_NOT_FOUND', 'The container has no process of this ID.');
  await using now = await container.attach(processId, { output: () => {} }, { from: 'now', observe: true, signal });
  const end = now.position();
  const isEmpty = end.stdoutBytes + end.stderrBytes === 0;
  if (isEmpty && process.result !== undefined && (await hasLostOutput(container, processId, signal)))
    throw new HttpError('KW_HTTP_OUTPUT_GONE', 'The pod of the container no longer exists, nor does its output.');
  return end;
}

/** Returns whether an ended process has lost output. */
async function hasLostOutput(container: Container, processId: string, signal: AbortSignal): Promise<boolean> {
  await using all = await container.attach(processId, { output: () => {} }, { observe: true, signal });
  const { undelivered = [] } = await all.wait({ detachSignal: signal });
  return undelivered.length > 0;
}

/** Which part of the output a response has. */
interface Extent {
  readonly from: ProcessPosition;
  /** The ends of the streams at the request. */
  readonly end: ProcessPosition;
}

/**
 * Yields output until the process has ended, or without `follow` until the present ends are reached.
 * Throws where the pod no longer keeps the output that comes next: the host has received it, and the
 * client was slower.
 */
async function* outputOf(
  container: Container,
  processId: string,
  { streams, follow, tail }: LogQuery,
  { from, end }: Extent,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const ends = { stdout: end.stdoutBytes, stderr: end.stderrBytes };
  const tails = new Map(streams.map((name) => [name, new TailBuffer({ lines: tail, endBytes: ends[name] })]));
  const nexts = { stdout: from.stdoutBytes, stderr: from.stderrBytes };
  const reached = new Set(streams.filter((name) => nexts[name] >= ends[name]));
  if (!follow && reached.size === streams.length) return;
  const queue = new ChunkQueue(signal);
  const output = async ({ stream, offset, bytes }: OutputChunk): Promise<void> => {
    const buffer = tails.get(stream);
    if (buffer === undefined || (!follow && reached.has(stream))) return;
    const next = nexts[stream];
    if (offset > next) queue.fail(new Error(`${stream}: the pod no longer keeps bytes ${next} to ${offset}`));
    nexts[stream] = offset + bytes.byteLength;
    const wanted = follow ? bytes : bytes.subarray(0, Math.max(ends[stream] - offset, 0));
    for (const part of buffer.pass(wanted, offset)) await queue.push(part);
    if (nexts[stream] >= ends[stream]) reached.add(stream);
    if (!follow && reached.size === streams.length) queue.end();
  };
  await using process = await container.attach(processId, { output }, { from, observe: true, signal });
  process.wait({ detachSignal: signal }).then(
    () => queue.end(),
    (error: unknown) => queue.fail(error),
  );
  yield* queue;
}

/** @throws HttpError - the output to follow does not reach the offset, so the client has another one */
function requireReached({ streams, sinceBytes = 0 }: LogQuery, end: ProcessPosition): void {
  for (const name of streams) {
    const reached = end[`${name}Bytes`];
    if (sinceBytes > reached) throw invalid('sinceBytes', `is beyond the end of ${name}, which is ${reached}`);
  }
}

/**
 * Returns where a response begins: at the offset that the client has, otherwise with the first byte that
 * the pod still keeps, and with `tail` near the end.
 *
 * @throws HttpError - the pod no longer keeps what follows the offset
 */
async function beginOf(
  container: Container,
  processId: string,
  { streams, tail, sinceBytes }: LogQuery,
  end: ProcessPosition,
  signal: AbortSignal,
): Promise<ProcessPosition> {
  const wanted = (name: StreamName, endBytes: number): number => {
    // A stream that is not requested is not delivered.
    if (!streams.includes(name)) return endBytes;
    return sinceBytes ?? (tail === undefined ? 0 : Math.max(endBytes - (tail === 0 ? 0 : tailBytes), 0));
  };
  const from = {
    stdoutBytes: wanted('stdout', end.stdoutBytes),
    stderrBytes: wanted('stderr', end.stderrBytes),
  };
  // Nothing has to be kept for an offset beyond the end.
  if (streams.every((name) => from[`${name}Bytes`] >= end[`${name}Bytes`])) return from;
  const kept = await keptFrom(container, processId, from, signal);
  for (const name of streams) {
    const begin = kept[`${name}Bytes`];
    if (sinceBytes !== undefined && begin > sinceBytes)
      throw new HttpError('KW_HTTP_OUTPUT_GONE', `The pod keeps ${name} from byte ${begin} on.`);
  }
  return kept;
}

/** Returns the first position from another one on whose output the pod still keeps. */
async function keptFrom(
  container: Container,
  processId: string,
  from: ProcessPosition,
  signal: AbortSignal,
): Promise<ProcessPosition> {
  const never = new Promise<void>(() => {});
  await using probe = await container.attach(processId, { output: () => never }, { from, observe: true, signal });
  return probe.position();
}
