import { PGlite } from '@electric-sql/pglite';

import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchContext } from '../harness/benchmark.ts';
import { HostChild } from '../host/host-child.ts';
import { startEmbedded } from '../memory/embedded-child.ts';
import { memoryOf, resetPeak } from '../memory/peak-memory.ts';
import type { S3Server } from './s3-server.ts';

/** Out of a step into the store, or out of the store into the next step. */
export type Direction = 'save' | 'load';

const image = 'registry.local/busybox:1';

/**
 * Resolves with the peak of a host's resident memory above its idle memory, in MiB, while content
 * moves between a step and a store in S3. The host, the embedded cluster, the database and the server
 * are separate processes. A host is idle after a small hand-over, which loads all modules.
 */
export async function peakAboveIdle(
  direction: Direction,
  mebibytes: number,
  { endpoint, bucket, credentials }: S3Server,
  context: BenchContext,
): Promise<number> {
  await using opened = new AsyncStack();
  const database = opened.use(await PGlite.create(), (pglite) => pglite.close());
  const embedded = opened.use(await startEmbedded(), (child) => child[Symbol.asyncDispose]());
  const host = opened.use(new HostChild(database), (child) => child[Symbol.asyncDispose]());
  // The server copies all parts before it answers the end of an upload.
  const s3 = { endpoint, bucket, credentials, requestTimeoutMs: 600_000 };
  await host.execute({ kind: 'open', kubeconfig: embedded.kubeconfig, image, pods: 0, stores: { s3 } });
  opened.use(host, (child) => child.execute({ kind: 'close' }));
  for (const kind of ['save', 'load'] as const) await host.execute({ kind, mebibytes: 1 });
  await host.execute({ kind: 'settle' });
  const idle = await memoryOf(host.pid);
  if (direction === 'load') await host.execute({ kind: 'save', mebibytes });
  await host.execute({ kind: 'settle' });
  await resetPeak(host.pid);
  const { ms } = await host.execute({ kind: direction, mebibytes });
  const peak = await memoryOf(host.pid);
  context.log(
    `  ${mebibytes} MiB in ${(ms / 1000).toFixed(0)} s: idle ${idle.resident.toFixed(0)} MiB resident, of it ${idle.anonymous.toFixed(0)} anonymous; peak ${peak.peakResident.toFixed(0)} MiB; after it ${peak.resident.toFixed(0)} MiB`,
  );
  return peak.peakResident - idle.resident;
}
