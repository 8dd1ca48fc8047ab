// Up and down through a volume of a pod, and from pod to pod, against `kubectl exec … tar` on the same pods with the same archives.
// Needs KUBECONFIG, and kubectl on PATH.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Benchmark } from '../harness/benchmark.ts';
import { openBenchPods } from '../transfer/bench-pods.ts';
import { randomBytesOf, smallFiles, sourceTree } from '../transfer/sample-archives.ts';
import { TransferCases } from '../transfer/transfer-cases.ts';

export const benchmark: Benchmark = {
  settings: {
    image: { value: 'registry.local/busybox:1', meaning: 'of the pods: with sh, tar, find, sort, xargs and sha256sum' },
    mebibytes: { value: '256', meaning: 'of random bytes' },
  },
  open: async ({ log, setting }) => {
    const kubeconfig = process.env['KUBECONFIG'];
    if (kubeconfig === undefined || kubeconfig === '') throw new Error('KUBECONFIG is not set: this benchmark measures on a real cluster');
    const folder = await mkdtemp(join(tmpdir(), 'kw-bench-'));
    const opened = await openBenchPods(kubeconfig, setting('image'));
    const samples = [randomBytesOf(Number(setting('mebibytes'))), sourceTree(2_000), smallFiles(20_000)];
    const groups = samples.map((sample) => new TransferCases(sample, { folder, pods: opened.pods, log }));
    return {
      cases: (['websocket', 'spdy'] as const).flatMap((wire) => groups.flatMap((group) => group.of(wire))),
      [Symbol.asyncDispose]: async () => {
        await opened[Symbol.asyncDispose]();
        await rm(folder, { recursive: true });
      },
    };
  },
};
