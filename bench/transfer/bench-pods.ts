import { randomUUID } from 'node:crypto';

import { PGlite } from '@electric-sql/pglite';
import { type Container, KubernetesWorker, type Volume } from 'kubernetes-worker';

import { AsyncStack } from '../harness/async-stack.ts';
import type { PeerPod } from './kubectl-exec.ts';

/** A pod with a volume of ours and a folder beside it, on the same disk, for the peer. */
export interface BenchPod {
  readonly container: Container;
  readonly volume: Volume;
  readonly peer: PeerPod;
}

/** Pods of one worker, which go with it. */
export interface BenchPods extends AsyncDisposable {
  readonly pods: readonly [BenchPod, BenchPod];
}

/** Where the folders `data` (the volume's) and `peer` are in each pod. */
export const benchDir = '/tmp/build/bench';

export async function openBenchPods(kubeconfig: string, image: string): Promise<BenchPods> {
  await using opened = new AsyncStack();
  const database = opened.use(await PGlite.create(), (pglite) => pglite.close());
  const worker = opened.use(await KubernetesWorker.open({ name: 'bench', kubeConfig: kubeconfig, database, volumeImage: image }), (each) =>
    each.close(),
  );
  const open = async (): Promise<BenchPod> => {
    const owner = { kind: 'bench', key: randomUUID() };
    opened.use(owner, async (each) => {
      await worker.ownerFinished(each);
      await reapPatiently(worker);
    });
    const { container, mounts } = await worker.findOrCreateContainer(owner, { image, dir: benchDir, outputs: { data: 'data', peer: 'peer' } });
    const volume = mounts.find(({ name }) => name === 'data')?.volume;
    if (volume === undefined) throw new Error('the container has no volume');
    return { container, volume, peer: { kubeconfig, podName: container.podName } };
  };
  const pods = [await open(), await open()] as const;
  const kept = opened.keep();
  return { pods, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
}

/** A pod with hundreds of thousands of files takes its node longer to remove than one pass waits. */
async function reapPatiently(worker: KubernetesWorker): Promise<void> {
  for (let left = 5; ; left -= 1) {
    try {
      await worker.reap();
      return;
    } catch (error) {
      if (left === 1) throw error;
    }
  }
}
