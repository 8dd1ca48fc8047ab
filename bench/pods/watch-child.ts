// Follows the pods of the server at URL with one of the two programs, and prints its figures as JSON:
//   watch-child.ts URL library|informer
import { informer, libraryWatch } from './pod-observers.ts';

/** The figures of a program that follows many pods. */
export interface WatchFigures {
  /** The heap that the pods keep. */
  readonly heapMiB: number;
  /** The processor time of the list. */
  readonly cpuMs: number;
  /** From the request for a change to its observer, p50 of 200. */
  readonly latencyMs: number;
}

function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

async function figuresOf(url: string, program: string): Promise<WatchFigures> {
  const [heapBefore, cpuBefore] = [heapUsed(), process.cpuUsage()];
  await using observers = await (program === 'library' ? libraryWatch : informer)(url);
  const { user, system } = process.cpuUsage(cpuBefore);
  const heapMiB = (heapUsed() - heapBefore) / 1024 / 1024;
  const latencies: number[] = [];
  for (let left = 200; left > 0; left -= 1) {
    const startedAt = performance.now();
    await observers.whenChanged(() => void fetch(url, { method: 'POST' }));
    latencies.push(performance.now() - startedAt);
  }
  const [latencyMs = Number.NaN] = latencies.sort((a, b) => a - b).slice(latencies.length / 2);
  return { heapMiB, cpuMs: (user + system) / 1000, latencyMs };
}

const [url = '', program = ''] = process.argv.slice(2);
console.log(JSON.stringify(await figuresOf(url, program)));
process.exit();
