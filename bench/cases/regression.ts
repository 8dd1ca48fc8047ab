// Measures this checkout's library against another checkout's, in turn, on the same cluster:
// transfers, commands and new pods.
// Needs KUBECONFIG, kubectl on PATH, and a checkout of the commit to compare with, after `npm ci`
// there:
//   npm run bench -- regression --set checkout=../before
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { PGlite } from '@electric-sql/pglite';

import { UsageError } from '../harness/arguments.ts';
import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { requireRealCluster } from '../harness/real-cluster.ts';
import { HostChild } from '../host/host-child.ts';
import { ours } from '../transfer/movers.ts';
import { randomBytesOf, smallFiles, sourceTree } from '../transfer/sample-archives.ts';
import { TransferCases } from '../transfer/transfer-cases.ts';

/** The lowest acceptable ratio of this checkout's speed to the other's. */
const goal = 0.95;

export const benchmark: Benchmark = {
  settings: {
    checkout: { value: '', meaning: 'the folder of the other checkout' },
    image: { value: 'registry.local/busybox:1', meaning: 'of the pods: with sh, tar, find, sort, xargs and sha256sum' },
    mebibytes: { value: '256', meaning: 'of random bytes' },
  },
  open: async ({ log, setting }) => {
    const kubeconfig = requireRealCluster();
    const other = checkoutOf(setting('checkout'));
    await using opened = new AsyncStack();
    const folder = opened.use(await mkdtemp(join(tmpdir(), 'kw-bench-')), (path) => rm(path, { recursive: true }));
    const open = async (checkout?: URL, pods = 2): Promise<OpenHost> => {
      await using own = new AsyncStack();
      const database = own.use(await PGlite.create(), (pglite) => pglite.close());
      const host = own.use(new HostChild(database, checkout), (child) => child[Symbol.asyncDispose]());
      const { ms } = await host.execute({ kind: 'open', kubeconfig, image: setting('image'), pods });
      own.use(host, (child) => child.execute({ kind: 'close' }));
      return { host, openMs: ms, kept: own.keep() };
    };
    const hosts = { now: await open(), before: await open(other) };
    for (const { kept } of [hosts.now, hosts.before]) opened.use(kept, (stack) => stack[Symbol.asyncDispose]());
    const samples = [randomBytesOf(Number(setting('mebibytes'))), sourceTree(2_000), smallFiles(20_000)];
    const movers = [ours(hosts.now.host, 'now'), ours(hosts.before.host, 'before')] as const;
    const kept = opened.keep();
    return {
      cases: [
        ...samples.flatMap((sample) =>
          new TransferCases(sample, { folder, log }).of(...movers, { goals: { up: goal, down: goal, across: goal } }),
        ),
        commandCase(hosts, 'a command to its exit status', 'true', 20),
        commandCase(hosts, 'a command that prints 32 MiB', 'head -c 33554432 /dev/zero', 5),
        openCase(open, other),
      ],
      [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
    };
  },
};

interface OpenHost {
  readonly host: HostChild;
  readonly openMs: number;
  readonly kept: AsyncStack;
}

/** @throws UsageError - the path is not a checkout of this project */
function checkoutOf(path: string): URL {
  const folder = resolve(path);
  if (path === '' || !existsSync(join(folder, 'bench/host/host-process.ts')))
    throw new UsageError(
      '--set checkout=DIR: the folder of a checkout of the commit to compare with, after npm ci there',
    );
  return pathToFileURL(`${folder}/`);
}

function commandCase(
  { now, before }: { readonly now: OpenHost; readonly before: OpenHost },
  name: string,
  script: string,
  pairs: number,
): BenchCase {
  const run = async ({ host }: OpenHost): Promise<number> =>
    (await host.execute({ kind: 'script', pod: 0, script })).ms;
  return { name, unit: 'ms', better: 'lower', goal, pairs, warmUps: 2, ours: () => run(now), peer: () => run(before) };
}

/** Each side includes half a second for the garbage collector. */
function openCase(open: (checkout?: URL, pods?: number) => Promise<OpenHost>, other: URL): BenchCase {
  const run = async (checkout?: URL): Promise<number> => {
    const { openMs, kept } = await open(checkout, 1);
    await kept[Symbol.asyncDispose]();
    return openMs;
  };
  return {
    name: 'a worker with a new pod',
    unit: 'ms',
    better: 'lower',
    goal,
    pairs: 5,
    ours: () => run(),
    peer: () => run(other),
  };
}
