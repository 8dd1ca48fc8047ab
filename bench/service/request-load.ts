// Sends requests at a constant rate, whatever the answers take, and prints what they took as JSON.
//   node request-load.ts URL REQUESTS_PER_SECOND SECONDS
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the requests took, from the moment at which each was due. */
export interface LoadFigures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The share of this program in it: how late the requests were sent. */
  readonly senderP99Ms: number;
  readonly failed: number;
  readonly sent: number;
}

const [url = '', rate = '', seconds = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const total = Number(rate) * Number(seconds);
const taken: number[] = [];
const late: number[] = [];
let failed = 0;

/** A request that had to wait for its turn is late by that time as well. */
function send(dueAt: number): Promise<void> {
  late.push(performance.now() - dueAt);
  return new Promise((resolve) => {
    const end = (ok: boolean): void => {
      if (ok) taken.push(performance.now() - dueAt);
      else failed += 1;
      resolve();
    };
    get(url, { agent }, (response) => {
      response.resume();
      response.once('end', () => end(response.statusCode === 200)).once('error', () => end(false));
    }).once('error', () => end(false));
  });
}

const startedAt = performance.now();
const answers: Promise<void>[] = [];
while (answers.length < total) {
  const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1000) * Number(rate)) + 1);
  while (answers.length < due) answers.push(send(startedAt + (answers.length / Number(rate)) * 1000));
  await sleep(1);
}
await Promise.all(answers);
agent.destroy();
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

const figures: LoadFigures = {
  p50Ms: quantile(taken, 0.5),
  p99Ms: quantile(taken, 0.99),
  senderP99Ms: quantile(late, 0.99),
  failed,
  sent: total,
};
process.stdout.write(JSON.stringify(figures));
