// Measures the peak of a host's resident memory above its idle memory, during a large and slow
// transfer. The host, the cluster and the database each run in a separate process.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { PGlite } from '@electric-sql/pglite';

import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchCase, BenchContext, Benchmark } from '../harness/benchmark.ts';
import { HostChild } from '../host/host-child.ts';
import { fillingOf } from '../host/sample-stream.ts';
import { startEmbedded } from '../memory/embedded-child.ts';
import { memoryOf, resetPeak } from '../memory/peak-memory.ts';
import { openSlowly } from '../memory/through-proxy.ts';

type Direction = 'down' | 'up';

interface Setting {
  readonly kubeconfig: string;
  readonly database: PGlite;
  readonly folder: string;
}

export const benchmark: Benchmark = {
  settings: {
    sizes: { value: '1,2,4', meaning: 'GiB, on the embedded cluster' },
    'real-sizes': { value: '1', meaning: 'GiB, on the cluster of KUBECONFIG, if that is set' },
    rate: { value: '20', meaning: 'MiB/s that the consumer or the pod reads' },
    image: { value: 'registry.local/busybox:1', meaning: 'of the pods' },
  },
  open: async ({ log, setting }) => {
    await using opened = new AsyncStack();
    const folder = opened.use(await mkdtemp(join(tmpdir(), 'kw-memory-')), (path) => rm(path, { recursive: true }));
    const database = opened.use(await PGlite.create(), (pglite) => pglite.close());
    const embedded = opened.use(await startEmbedded(), (child) => child[Symbol.asyncDispose]());
    const cases = casesOf('embedded cluster', sizesOf(setting('sizes')), {
      kubeconfig: embedded.kubeconfig,
      database,
      folder,
    });
    const real = process.env['KUBECONFIG'];
    if (real === undefined || real === '') log('KUBECONFIG is not set: only the embedded cluster is measured');
    else cases.push(...casesOf('real cluster', sizesOf(setting('real-sizes')), { kubeconfig: real, database, folder }));
    const kept = opened.keep();
    return { cases, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
  },
};

function sizesOf(text: string): readonly number[] {
  return text.split(',').filter(Boolean).map(Number);
}

function casesOf(cluster: string, sizes: readonly number[], setting: Setting): BenchCase[] {
  const common = { unit: 'MiB', better: 'lower', goal: 64, pairs: 1, warmUps: 0 } as const;
  return (['down', 'up'] as const).flatMap((direction) =>
    sizes.map((gibibytes) => ({
      ...common,
      name: `${direction === 'down' ? 'down to a slow consumer' : 'up into a slow pod'}, ${gibibytes} GiB, ${cluster}`,
      ours: (context: BenchContext) => peakAboveIdle(direction, gibibytes * 1024, setting, context),
    })),
  );
}

/** Resolves with the peak above the idle memory, in MiB. */
async function peakAboveIdle(
  direction: Direction,
  mebibytes: number,
  setting: Setting,
  context: BenchContext,
): Promise<number> {
  const rate = Number(context.setting('rate'));
  await using opened = new AsyncStack();
  const slow = join(setting.folder, 'slow.kubeconfig');
  if (direction === 'up')
    opened.use(await openSlowly(setting.kubeconfig, slow, rate), (proxy) => proxy[Symbol.asyncDispose]());
  const host = opened.use(new HostChild(setting.database), (child) => child[Symbol.asyncDispose]());
  const kubeconfig = direction === 'up' ? slow : setting.kubeconfig;
  await host.execute({ kind: 'open', kubeconfig, image: context.setting('image'), pods: 1 });
  opened.use(host, (child) => child.execute({ kind: 'close' }));
  if (direction === 'down')
    await host.execute({ kind: 'script', pod: 0, script: fillingOf('data/random.bin', mebibytes) });
  await resetPeak(host.pid);
  const idle = await memoryOf(host.pid);
  const place = { pod: 0, path: '.' };
  const { bytes, ms } = await host.execute(
    direction === 'down'
      ? { kind: 'down', from: place, target: { mebibytesPerSecond: rate } }
      : { kind: 'up', to: place, source: { mebibytes } },
  );
  if (bytes < mebibytes * 1024 * 1024) throw new Error(`${bytes} bytes passed, less than ${mebibytes} MiB`);
  const peak = await memoryOf(host.pid);
  context.log(
    `  ${bytes} bytes in ${(ms / 1000).toFixed(0)} s: idle ${idle.resident.toFixed(0)} MiB resident, of it ${idle.anonymous.toFixed(0)} anonymous; peak ${peak.peakResident.toFixed(0)} MiB; after it ${peak.resident.toFixed(0)} MiB, ${peak.anonymous.toFixed(0)} anonymous`,
  );
  return peak.peakResident - idle.resident;
}
