// Measures commands against kubectl: from the call to the exit status, from a new pod to the first
// byte, from the print of a line to its callback, and the cost of a silent command.
// Needs KUBECONFIG, kubectl on PATH, and for the latencies a cluster on this machine.
// KW_BENCH_BASH_IMAGE: an image with bash, awk and sed (default registry.local/debian:12).
import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { PGlite } from '@electric-sql/pglite';
import { type Container, KubernetesWorker } from 'kubernetes-worker';

import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { requireRealCluster } from '../harness/real-cluster.ts';
import { agentUsage } from '../process/agent-usage.ts';
import { kubectl } from '../process/kubectl.ts';
import { LineLatency, ticking } from '../process/line-latency.ts';

interface Setting {
  readonly worker: KubernetesWorker;
  readonly container: Container;
  readonly image: string;
  readonly kubeconfig: string;
}

const dir = '/tmp/build/bench';
const idleMs = 30_000;

export const benchmark: Benchmark = {
  open: async ({ log }) => {
    const kubeconfig = requireRealCluster();
    const image = process.env['KW_BENCH_BASH_IMAGE'] ?? 'registry.local/debian:12';
    const database = await PGlite.create();
    const worker = await KubernetesWorker.open({
      name: `bench-${randomUUID()}`,
      kubeConfig: kubeconfig,
      database,
      volumeImage: image,
    });
    const owner = { kind: 'bench', key: randomUUID() };
    log(`creating a pod of ${image}`);
    const { container } = await worker.findOrCreateContainer(owner, { image, dir });
    const setting = { worker, container, image, kubeconfig };
    return {
      cases: [runToExit(setting), manyAtOnce(setting), newPod(setting), ...latencies(setting), ...idle(setting)],
      [Symbol.asyncDispose]: async () => {
        await worker.ownerFinished(owner);
        await worker.reap();
        await worker.close();
        await database.close();
      },
    };
  },
};

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function runTrue(container: Container): Promise<void> {
  const command = await container.run({ path: 'true' }, {});
  const { exitStatus } = await command.wait();
  if (exitStatus !== 0) throw new Error(`true ended with ${exitStatus}`);
}

function execIn({ kubeconfig, container }: Setting, command: readonly string[]): readonly string[] {
  return ['--kubeconfig', kubeconfig, 'exec', container.podName, '-c', 'main', '--', ...command];
}

function runToExit(setting: Setting): BenchCase {
  return {
    name: 'run of `true` to its exit status, on an existing pod and connection',
    unit: 'ms',
    better: 'lower',
    goal: 4,
    pairs: 20,
    warmUps: 2,
    ours: () => timed(() => runTrue(setting.container)),
    peer: () => timed(() => kubectl(execIn(setting, ['true']))),
  };
}

function manyAtOnce(setting: Setting): BenchCase {
  const fifty = (work: () => Promise<void>): Promise<number> =>
    timed(async () => {
      await Promise.all(Array.from({ length: 50 }, work));
    });
  return {
    name: '50 of `true` at once, to the last exit status',
    unit: 'ms',
    better: 'lower',
    pairs: 3,
    ours: () => fifty(() => runTrue(setting.container)),
    peer: () => fifty(() => kubectl(execIn(setting, ['true']))),
  };
}

function newPod({ worker, image, kubeconfig }: Setting): BenchCase {
  return {
    name: 'a new pod to the first byte of a command in it',
    unit: 'ms',
    better: 'lower',
    goal: 1,
    pairs: 7,
    ours: async () => {
      const owner = { kind: 'bench', key: randomUUID() };
      const first = Promise.withResolvers<number>();
      const startedAt = performance.now();
      const { container } = await worker.findOrCreateContainer(owner, { image, dir });
      const stdout = new Writable({
        write: (_chunk, _encoding, done) => {
          first.resolve(performance.now() - startedAt);
          done();
        },
      });
      const command = await container.run({ path: 'echo', args: ['first'] }, { stdout });
      const measured = await first.promise;
      await command.wait();
      await worker.ownerFinished(owner);
      await worker.reap();
      return measured;
    },
    peer: async () => {
      const name = `bench-${randomUUID()}`;
      const at = ['--kubeconfig', kubeconfig];
      let measured = Number.NaN;
      const startedAt = performance.now();
      await kubectl([...at, 'run', name, `--image=${image}`, '--restart=Never', '--command', '--', 'sleep', '600']);
      await kubectl([...at, 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s']);
      await kubectl([...at, 'exec', name, '--', 'echo', 'first'], () => {
        measured = performance.now() - startedAt;
      });
      await kubectl([...at, 'delete', 'pod', name, '--now']);
      return measured;
    },
  };
}

function latencies(setting: Setting): readonly BenchCase[] {
  const ours = async (part: number): Promise<number> => {
    const latency = new LineLatency();
    const stdout = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        latency.take(chunk);
        done();
      },
    });
    const [path, ...args] = ticking;
    const command = await setting.container.run({ path, args }, { stdout });
    await command.wait();
    return latency.quantile(part);
  };
  const peer = async (part: number): Promise<number> => {
    const latency = new LineLatency();
    await kubectl(execIn(setting, ticking), latency.take);
    return latency.quantile(part);
  };
  const common = { unit: 'ms', better: 'lower' } as const;
  return [
    { ...common, name: 'a printed line to its callback, p50', ours: () => ours(0.5), peer: () => peer(0.5) },
    { ...common, name: 'a printed line to its callback, p99', ours: () => ours(0.99), peer: () => peer(0.99) },
    {
      ...common,
      name: 'the same, p50 above that of a plain exec',
      goal: 5,
      ours: async () => (await ours(0.5)) - (await peer(0.5)),
    },
  ];
}

function idle({ container }: Setting): readonly BenchCase[] {
  const beside = async (measure: () => Promise<number>): Promise<number> => {
    const silent = await container.run({ path: 'sleep', args: ['600'] }, {});
    try {
      return await measure();
    } finally {
      await silent.signal(15);
      await silent.wait();
    }
  };
  return [
    {
      name: 'memory of the agent beside a running silent command, in the pod',
      unit: 'MiB',
      better: 'lower',
      goal: 2,
      pairs: 3,
      ours: () => beside(async () => (await agentUsage(container)).memoryMiB),
    },
    {
      name: `processor time of the agent in ${idleMs / 1000} s beside a running silent command`,
      unit: 'ms',
      better: 'lower',
      goal: 10,
      pairs: 1,
      warmUps: 0,
      ours: () =>
        beside(async () => {
          const before = (await agentUsage(container)).cpuMs;
          await sleep(idleMs);
          const after = (await agentUsage(container)).cpuMs;
          // Counts only processes that run all the time: the measurement has connections of its
          // own.
          return [...after].reduce((total, [pid, cpuMs]) => total + cpuMs - (before.get(pid) ?? cpuMs), 0);
        }),
    },
  ];
}
