// Up and down through a volume of a pod, against `kubectl exec … tar` on the same pod, same archives, digests of the content checked on both sides after each.
// Needs KUBECONFIG, and kubectl on PATH. KW_BENCH_IMAGE: an image with sh, tar, find, sort, xargs and sha256sum (default registry.local/busybox:1).
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { PGlite } from '@electric-sql/pglite';
import { type Container, KubernetesWorker, type Volume } from 'kubernetes-worker';

import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { execInto, execOutOf, type PeerPod } from '../transfer/kubectl-exec.ts';
import { makeRandomArchive, makeSourceArchive, type SampleArchive } from '../transfer/sample-archives.ts';
import { digestInPod, digestOfArchive } from '../transfer/tree-digest.ts';

interface Setting {
  readonly folder: string;
  readonly container: Container;
  readonly volume: Volume;
  readonly pod: PeerPod;
}

const dir = '/tmp/build/bench';

export const benchmark: Benchmark = {
  open: async ({ log }) => {
    const kubeconfig = process.env['KUBECONFIG'];
    if (kubeconfig === undefined || kubeconfig === '') throw new Error('KUBECONFIG is not set: this benchmark measures on a real cluster');
    const image = process.env['KW_BENCH_IMAGE'] ?? 'registry.local/busybox:1';
    const folder = await mkdtemp(join(tmpdir(), 'kw-bench-'));
    const database = await PGlite.create();
    const worker = await KubernetesWorker.open({ name: 'bench', kubeConfig: kubeconfig, database, volumeImage: image });
    const owner = { kind: 'bench', key: randomUUID() };
    log(`making archives in ${folder} and a pod of ${image}`);
    const archives = [await makeRandomArchive(folder, 256), await makeSourceArchive(folder, 2_000)];
    const { container, mounts } = await worker.findOrCreateContainer(owner, { image, dir, outputs: { data: 'data', peer: 'peer' } });
    const volume = mounts.find(({ name }) => name === 'data')?.volume;
    if (volume === undefined) throw new Error('the container has no volume');
    const setting = { folder, container, volume, pod: { kubeconfig, podName: container.podName } };
    return {
      cases: archives.flatMap((archive) => casesOf(archive, setting)),
      [Symbol.asyncDispose]: async () => {
        await worker.ownerFinished(owner);
        await worker.reap();
        await worker.close();
        await database.close();
        await rm(folder, { recursive: true });
      },
    };
  },
};

/** Both ways of one archive. The way down has what the last way up has left. */
function casesOf(archive: SampleArchive, { folder, container, volume, pod }: Setting): readonly BenchCase[] {
  const target = join(folder, 'down.tar');
  const mebibytes = archive.bytes / 1024 / 1024;
  const rate = async (work: () => Promise<void>): Promise<number> => {
    const startedAt = performance.now();
    await work();
    return (mebibytes * 1000) / (performance.now() - startedAt);
  };
  const check = (what: string, digest: string): void => {
    if (digest !== archive.treeDigest) throw new Error(`${what} of ${archive.name}: the content differs`);
  };
  const upBy = async (path: string, work: () => Promise<void>): Promise<number> => {
    await digestInPod(container, dir, `rm -rf ${path}/* && sync`);
    const measured = await rate(work);
    check(`up to ${path}`, await digestInPod(container, `${dir}/${path}`));
    return measured;
  };
  const downBy = async (what: string, work: () => Promise<void>): Promise<number> => {
    await rm(target, { force: true });
    const measured = await rate(work);
    check(what, await digestOfArchive(target));
    if ((await stat(target)).size < archive.contentBytes) throw new Error(`${what}: shorter than its content`);
    return measured;
  };
  const common = { unit: 'MiB/s', better: 'higher' } as const;
  return [
    {
      ...common,
      name: `up, ${archive.name}`,
      goal: archive.goals.up,
      ours: () =>
        upBy('data', async () => {
          await volume.streamIn('.', createReadStream(archive.path, { highWaterMark: 1024 * 1024 }));
        }),
      peer: () => upBy('peer', () => execInto(pod, `${dir}/peer`, archive.path)),
    },
    {
      ...common,
      name: `down, ${archive.name}`,
      goal: archive.goals.down,
      ours: () => downBy('streamOut', async () => await pipeline(await volume.streamOut('.'), createWriteStream(target))),
      peer: () => downBy('kubectl exec', () => execOutOf(pod, `${dir}/peer`, target)),
    },
  ];
}
