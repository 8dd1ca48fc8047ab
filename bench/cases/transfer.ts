// Measures transfers up and down through a volume of a pod, and from pod to pod, against two peers
// on the same pods with the same content: `kubectl exec … tar`, and what CI integrations in Node
// use, `Exec` of @kubernetes/client-node with the package tar-fs.
// Needs KUBECONFIG, and kubectl on PATH.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { PGlite } from '@electric-sql/pglite';

import { AsyncStack } from '../harness/async-stack.ts';
import type { Benchmark } from '../harness/benchmark.ts';
import { requireRealCluster } from '../harness/real-cluster.ts';
import { HostChild } from '../host/host-child.ts';
import { ClientNodeExec } from '../transfer/client-node-exec.ts';
import { KubectlExec, type Wire } from '../transfer/kubectl-exec.ts';
import { clientNodeMover, kubectlMover, type Mover, ours } from '../transfer/movers.ts';
import { randomBytesOf, smallFiles, sourceTree } from '../transfer/sample-archives.ts';
import { TransferCases } from '../transfer/transfer-cases.ts';

export const benchmark: Benchmark = {
  settings: {
    image: { value: 'registry.local/busybox:1', meaning: 'of the pods: with sh, tar, find, sort, xargs and sha256sum' },
    mebibytes: { value: '256', meaning: 'of random bytes' },
    'source-files': { value: '2000', meaning: 'files of the source tree' },
    'small-files': { value: '20000', meaning: 'small files' },
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
    const samples = [
      randomBytesOf(Number(setting('mebibytes'))),
      sourceTree(Number(setting('source-files'))),
      smallFiles(Number(setting('small-files'))),
    ];
    const groups = samples.map((sample) => ({ sample, transfers: new TransferCases(sample, { folder, log }) }));
    const kubectl = (wire: Wire): Mover => kubectlMover(new KubectlExec(wire), host, pods);
    const clientNode = clientNodeMover(new ClientNodeExec(), host, pods);
    const kept = opened.keep();
    return {
      cases: [
        ...groups.flatMap(({ sample: { goals }, transfers }) =>
          transfers.of(ours(host), kubectl('websocket'), { goals }),
        ),
        ...groups.flatMap(({ transfers }) =>
          transfers.of(ours(host), clientNode, { suffix: `, ${clientNode.name}`, pairs: 3 }),
        ),
        // Over SPDY, which clusters need not offer any more: for reference, without a goal.
        ...groups.flatMap(({ transfers }) =>
          transfers.of(ours(host), kubectl('spdy'), { suffix: ', kubectl over SPDY', pairs: 3 }),
        ),
      ],
      [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
    };
  },
};
