// Measures the list and watch of many pods beside client-node's informer, each in a process of its
// own, on an API server of this process that has only pods.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { PodServer } from '../pods/pod-server.ts';
import type { WatchFigures } from '../pods/watch-child.ts';

export const benchmark: Benchmark = {
  settings: { pods: { value: '5000', meaning: 'the number of pods' } },
  open: async ({ setting }) => {
    const count = Number(setting('pods'));
    const server = await PodServer.start(count);
    const caseOf = (name: string, unit: string, figure: keyof WatchFigures): BenchCase => ({
      name,
      unit,
      better: 'lower',
      warmUps: 0,
      ours: async () => (await figuresOf(server, 'library'))[figure],
      peer: async () => (await figuresOf(server, 'informer'))[figure],
    });
    return {
      cases: [
        caseOf(`heap that ${String(count)} pods keep`, 'MiB', 'heapMiB'),
        caseOf(`processor time of a list of ${String(count)} pods`, 'ms', 'cpuMs'),
        caseOf('a change to its observer, p50 of 200', 'ms', 'latencyMs'),
      ],
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

const program = fileURLToPath(new URL('../pods/watch-child.ts', import.meta.url));
const fromSource = new URL('../../scripts/from-source.ts', import.meta.url).href;

async function figuresOf({ url }: PodServer, follower: 'library' | 'informer'): Promise<WatchFigures> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    '--import',
    fromSource,
    program,
    url,
    follower,
  ]);
  return JSON.parse(stdout) as WatchFigures;
}
