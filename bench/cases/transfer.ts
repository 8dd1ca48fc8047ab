// Up and down through a volume of a pod, and from pod to pod, against `kubectl exec … tar` on the same pods with the same archives.
// Needs KUBECONFIG, and kubectl on PATH.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { PGlite } from '@electric-sql/pglite';

import { AsyncStack } from '../harness/async-stack.ts';
import type { Benchmark } from '../harness/benchmark.ts';
import { requireRealCluster } from '../harness/real-cluster.ts';
import { HostChild } from '../host/host-child.ts';
import { KubectlExec, type Wire } from '../transfer/kubectl-exec.ts';
import { type Mover, ours, peers } from '../transfer/movers.ts';
import { randomBytesOf, smallFiles, sourceTree } from '../transfer/sample-archives.ts';
import { TransferCases } from '../transfer/transfer-cases.ts';

export const benchmark: Benchmark = {
  settings: {
    image: { value: 'registry.local/busybox:1', meaning: 'of the pods: with sh, tar, find, sort, xargs and sha256sum' },
    mebibytes: { value: '256', meaning: 'of random bytes' },
  },
  open: async ({ log, setting }) => {
    const kubeconfig = requireRealCluster();
    await using opened = new AsyncStack();
    const folder = opened.use(await mkdtemp(join(tmpdir(), 'kw-bench-')), (path) => rm(path, { recursive: true }));
    const database = opened.use(await PGlite.create(), (pglite) => pglite.close());
    const host = opened.use(new HostChild(database), (child) => child[Symbol.asyncDispose]());
    const { output } = await host.execute({ kind: 'open', kubeconfig, image: setting('image'), pods: 2 });
    opened.use(host, (child) => child.execute({ kind: 'close' }));
    const pods = output.split('\n').map((podName) => ({ kubeconfig, podName }));
    const samples = [randomBytesOf(Number(setting('mebibytes'))), sourceTree(2_000), smallFiles(20_000)];
    const groups = samples.map((sample) => ({ sample, transfers: new TransferCases(sample, { folder, log }) }));
    const kubectl = (wire: Wire): Mover => peers(new KubectlExec(wire), host, pods);
    const kept = opened.keep();
    return {
      cases: [
        ...groups.flatMap(({ sample: { goals }, transfers }) =>
          transfers.of(ours(host), kubectl('websocket'), { goals }),
        ),
        // Over SPDY, which clusters no longer need to offer: for the record, without a goal.
        ...groups.flatMap(({ transfers }) =>
          transfers.of(ours(host), kubectl('spdy'), { suffix: ', kubectl over SPDY', pairs: 3 }),
        ),
      ],
      [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
    };
  },
};
