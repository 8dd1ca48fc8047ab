import { expect } from 'chai';

import { ApiError, ApiUnavailableError, ForbiddenError } from '../../../src/errors/cluster.ts';
import type { LogLine, LogTarget } from '../../../src/kubernetes/cluster.ts';
import { PodLogs } from '../../../src/pods/pod-logs.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const facts = { verb: 'get', resource: 'pods/log', namespace: 'ci' };
const noLog = new ApiError(facts, 'there is none', { status: 400, reason: 'BadRequest' });

/** What each reading gives: lines `time text`, then how it ends. */
interface Reading {
  readonly lines?: readonly string[];
  readonly error?: Error;
}

class ScriptedLogs {
  readonly asked: LogTarget[] = [];
  readonly #readings: readonly Reading[];
  readonly #whenDone: () => void;

  constructor(readings: readonly Reading[], whenDone: () => void) {
    this.#readings = readings;
    this.#whenDone = whenDone;
  }

  async *readLog(target: LogTarget): AsyncGenerator<LogLine, void> {
    const reading = this.#readings[this.asked.length];
    this.asked.push(target);
    if (this.asked.length >= this.#readings.length) this.#whenDone();
    for (const line of reading?.lines ?? []) {
      const [at = '', text = ''] = line.split(' ');
      yield { at, bytes: Buffer.from(text) };
    }
    if (reading?.error !== undefined) throw reading.error;
  }
}

/** Follows a log through readings, the last two of which are the look at what is there in the end. */
async function follow(
  readings: readonly Reading[],
  from: 'start' | 'now' = 'start',
): Promise<{ lines: string[]; asked: readonly LogTarget[] }> {
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
  return { lines, asked: cluster.asked };
}

const t = (second: number, nanos = 0): string => `2026-01-01T00:00:0${second}.${String(nanos).padStart(9, '0')}Z`;

describe('PodLogs', () => {
  it('gives each line once where a connection was lost, also those of one moment', async () => {
    const { lines, asked } = await follow([
      { error: noLog },
      { lines: [`${t(1)} a`, `${t(2, 5)} b`, `${t(2, 5)} c`], error: new ApiUnavailableError(facts, 'cut', undefined) },
      { error: noLog },
      { lines: [`${t(2, 1)} old`, `${t(2, 5)} b`, `${t(2, 5)} c`, `${t(2, 5)} d`, `${t(3)} e`] },
      { error: noLog },
      { lines: [`${t(3)} e`, `${t(3)} f`] },
    ]);
    expect(lines).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(asked[3]?.since).to.deep.equal(new Date('2026-01-01T00:00:02Z'));
  });

  it('goes on with the next run where the container was restarted, and reads the rest of the one before', async () => {
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

  it('gives lines whose times are out of order, once each, also where a connection was lost between them', async () => {
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

  it('gives lines through a clock of the node that is set back', async () => {
    const { lines, asked } = await follow([
      { error: noLog },
      { lines: [`${t(8)} a`, `${t(3)} b`], error: new ApiUnavailableError(facts, 'cut', undefined) },
      { error: noLog },
      { lines: [`${t(8)} a`, `${t(3)} b`, `${t(3, 5)} c`, `${t(4)} d`] },
      { error: noLog },
      { lines: [`${t(8)} a`, `${t(4)} d`, `${t(5)} e`] },
    ]);
    expect(lines).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
    expect(asked[3]?.since).to.deep.equal(new Date('2026-01-01T00:00:03Z'));
  });

  it('gives the lines of a log that was begun anew, where those that were given are not in it any more', async () => {
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

  it('waits for a container that has no log yet, also in the end', async () => {
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

  it('begins with what comes next where that is wanted', async () => {
    const { lines, asked } = await follow([{ lines: [`${t(1)} new`] }, {}, {}], 'now');
    expect(asked[0]).to.deep.include({ tailLines: 0, follow: true, previous: false });
    expect(asked[1]?.tailLines).to.equal(undefined);
    expect(lines).to.deep.equal(['new']);
  });

  it('gives up where it may not read', async () => {
    const error = new ForbiddenError(facts, 'no');
    expect(await rejection(follow([{ error }, {}]))).to.equal(error);
  });
});
