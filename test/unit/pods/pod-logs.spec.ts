import { expect } from 'chai';

import { ApiError, ApiUnavailableError, ForbiddenError } from '../../../src/errors/cluster.ts';
import type { LogLine, LogTarget } from '../../../src/kubernetes/cluster.ts';
import { PodLogs } from '../../../src/pods/pod-logs.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const facts = { verb: 'get', resource: 'pods/log', namespace: 'ci' };
const noLog = new ApiError(facts, 'there is none', { status: 400, reason: 'BadRequest' });

/** The result of one reading: lines `time text`, then its error. */
interface Reading {
  readonly lines?: readonly string[];
  readonly error?: Error;
  /** The result if the previous run is read again, after the first line of the current run. */
  readonly again?: Reading;
}

class ScriptedLogs {
  readonly requested: LogTarget[] = [];
  #previous: Reading | undefined;
  #isFollowed = false;
  readonly #readings: readonly Reading[];
  readonly #whenDone: () => void;

  constructor(readings: readonly Reading[], whenDone: () => void) {
    this.#readings = readings;
    this.#whenDone = whenDone;
  }

  async *readLog(target: LogTarget): AsyncGenerator<LogLine, void> {
    if (target.previous === true && this.#isFollowed) {
      yield* linesOf(this.#previous?.again ?? this.#previous);
      return;
    }
    const reading = this.#readings[this.requested.length];
    this.requested.push(target);
    if (this.requested.length >= this.#readings.length) this.#whenDone();
    if (target.previous === true) this.#previous = reading;
    else this.#isFollowed = true;
    try {
      yield* linesOf(reading);
    } finally {
      if (target.previous !== true) this.#isFollowed = false;
    }
  }
}

function* linesOf(reading: Reading | undefined): Generator<LogLine, void> {
  for (const line of reading?.lines ?? []) {
    const [at = '', text = ''] = line.split(' ');
    yield { at, bytes: Buffer.from(text) };
  }
  if (reading?.error !== undefined) throw reading.error;
}

/** Follows a log over these readings. The last two are the final reading of the existing lines. */
async function follow(
  readings: readonly Reading[],
  from: 'start' | 'now' = 'start',
): Promise<{ lines: string[]; requested: readonly LogTarget[] }> {
  const until = new AbortController();
  const cluster = new ScriptedLogs(readings, () => until.abort());
  const clock = new VirtualClock();
  const lines: string[] = [];
  const target = { podName: 'p', containerName: 'side', from };
  const reading = (async () => {
    for await (const line of new PodLogs({ cluster, clock, logger: silentLogger }).follow(target, {
      signal: new AbortController().signal,
      until: until.signal,
    }))
      lines.push(Buffer.from(line).toString());
  })();
  let isOver = false;
  const over = reading.finally(() => {
    isOver = true;
  });
  over.catch(() => undefined);
  for (let turn = 0; turn < 1_000 && !isOver; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!isOver) await clock.advance(1_000);
  }
  await over;
  return { lines, requested: cluster.requested };
}

const t = (second: number, nanos = 0): string => `2026-01-01T00:00:0${second}.${String(nanos).padStart(9, '0')}Z`;

describe('PodLogs', () => {
  it('yields each line once after a lost connection, including lines of the same time', async () => {
    const { lines, requested } = await follow([
      { error: noLog },
      { lines: [`${t(1)} a`, `${t(2, 5)} b`, `${t(2, 5)} c`], error: new ApiUnavailableError(facts, 'cut', undefined) },
      { error: noLog },
      { lines: [`${t(2, 1)} old`, `${t(2, 5)} b`, `${t(2, 5)} c`, `${t(2, 5)} d`, `${t(3)} e`] },
      { error: noLog },
      { lines: [`${t(3)} e`, `${t(3)} f`] },
    ]);
    expect(lines).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(requested[3]?.since).to.deep.equal(new Date('2026-01-01T00:00:02Z'));
  });

  it('continues with the next run after a restart of the container, and reads the rest of the previous run', async () => {
    const { lines } = await follow([
      { error: noLog },
      { lines: [`${t(1)} one`], error: new ApiUnavailableError(facts, 'cut', undefined) },
      { lines: [`${t(1)} one`, `${t(2)} last`] },
      { lines: [`${t(3)} two`] },
      { lines: [`${t(1)} one`, `${t(2)} last`] },
      { lines: [`${t(3)} two`, `${t(4)} end`] },
    ]);
    expect(lines).to.deep.equal(['one', 'last', 'two', 'end']);
  });

  it('yields the lines of each run in order if the container is restarted between two requests', async () => {
    const { lines } = await follow([
      { error: noLog, again: { lines: [`${t(1, 1)} one`, `${t(1, 2)} last`] } },
      { lines: [`${t(1, 5)} two`], error: new ApiUnavailableError(facts, 'cut', undefined) },
      { lines: [`${t(1, 1)} one`, `${t(1, 2)} last`], again: { lines: [`${t(1, 5)} two`, `${t(2)} more`] } },
      { lines: [`${t(3)} three`] },
      { lines: [`${t(1, 5)} two`, `${t(2)} more`] },
      { lines: [`${t(3)} three`] },
    ]);
    expect(lines).to.deep.equal(['one', 'last', 'two', 'more', 'three']);
  });

  it('yields lines with times out of order once each, even if the connection was lost between them', async () => {
    const first = [`${t(2, 9)} a`, `${t(2, 3)} b`, `${t(1, 8)} c`, `${t(2, 4)} d`];
    const { lines } = await follow([
      { error: noLog },
      { lines: first, error: new ApiUnavailableError(facts, 'cut', undefined) },
      { error: noLog },
      { lines: [`${t(2, 9)} a`, `${t(2, 3)} b`, `${t(2, 4)} d`, `${t(2, 1)} e`, `${t(3)} f`, `${t(2, 2)} g`] },
      { error: noLog },
      {
        lines: [
          `${t(2, 9)} a`,
          `${t(2, 3)} b`,
          `${t(2, 4)} d`,
          `${t(2, 1)} e`,
          `${t(3)} f`,
          `${t(2, 2)} g`,
          `${t(2, 6)} h`,
        ],
      },
    ]);
    expect(lines).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
  });

  it('yields lines after the clock of the node was set back', async () => {
    const { lines, requested } = await follow([
      { error: noLog },
      { lines: [`${t(8)} a`, `${t(3)} b`], error: new ApiUnavailableError(facts, 'cut', undefined) },
      { error: noLog },
      { lines: [`${t(8)} a`, `${t(3)} b`, `${t(3, 5)} c`, `${t(4)} d`] },
      { error: noLog },
      { lines: [`${t(8)} a`, `${t(4)} d`, `${t(5)} e`] },
    ]);
    expect(lines).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
    expect(requested[3]?.since).to.deep.equal(new Date('2026-01-01T00:00:03Z'));
  });

  it('yields the lines of a log that was restarted, if it no longer contains the delivered lines', async () => {
    const { lines } = await follow([
      { error: noLog },
      { lines: [`${t(2, 1)} a`, `${t(2, 5)} b`], error: new ApiUnavailableError(facts, 'cut', undefined) },
      { error: noLog },
      { lines: [`${t(2, 4)} c`, `${t(2, 6)} d`] },
      { error: noLog },
      { lines: [`${t(2, 4)} c`, `${t(2, 6)} d`] },
    ]);
    expect(lines).to.deep.equal(['a', 'b', 'c', 'd']);
  });

  it('waits for a container without a log, even at the end [A34]', async () => {
    const { lines } = await follow([
      { error: noLog },
      { error: noLog },
      { error: noLog },
      { error: noLog },
      { error: noLog },
      { lines: [`${t(1)} late`] },
    ]);
    expect(lines).to.deep.equal(['late']);
  });

  it('starts with the next line if requested', async () => {
    const { lines, requested } = await follow([{ lines: [`${t(1)} new`] }, {}, {}], 'now');
    expect(requested[0]).to.deep.include({ tailLines: 0, follow: true, previous: false });
    expect(requested[1]?.tailLines).to.equal(undefined);
    expect(lines).to.deep.equal(['new']);
  });

  it('rejects if reading is forbidden', async () => {
    const error = new ForbiddenError(facts, 'no');
    expect(await rejection(follow([{ error }, {}]))).to.equal(error);
  });
});
