import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import { steps } from './build.ts';

/** Where hosts are killed. */
export interface KilledHosts {
  readonly kubeconfigPath: string;
  readonly namespace: string;
  readonly databaseUrl: string;
  readonly workerName: string;
  readonly image: string;
  /** In all, over as many builds as that takes. */
  readonly kills: number;
  /** The latest moment of a host's life at which it is killed, in milliseconds. */
  readonly latestMs: number;
  /** Chooses the moments. */
  readonly random: () => number;
}

const program = fileURLToPath(new URL('./host.ts', import.meta.url));

/** Runs builds, killing their hosts at random moments, and checks each build. The number of builds that it took. */
export async function killHosts(world: KilledHosts): Promise<number> {
  let kills = 0;
  let builds = 0;
  for (; kills < world.kills; builds += 1) {
    const folder = await mkdtemp(join(tmpdir(), 'kw-killed-host-'));
    const pods = new PodsSeen(world);
    try {
      let isDone = false;
      while (!isDone) {
        const isToDie = kills < world.kills;
        isDone = await live(world, `build-${builds}`, folder, isToDie ? world.random() * world.latestMs : undefined);
        if (!isDone) kills += 1;
      }
      await check(folder);
    } finally {
      await pods.stop();
      await rm(folder, { recursive: true });
    }
    // One pod a step: no step was begun anew in another one.
    expect(pods.seen, 'pods of the build').to.have.length(steps.length);
    expect(await pods.list(), 'pods that are left').to.deep.equal([]);
  }
  return builds;
}

/** The life of one host: `true` when it ended by itself, and well. */
async function live(
  world: KilledHosts,
  build: string,
  folder: string,
  killAfterMs: number | undefined,
): Promise<boolean> {
  const { kubeconfigPath, namespace, databaseUrl, workerName, image } = world;
  const host = spawn(
    process.execPath,
    [program, kubeconfigPath, namespace, databaseUrl, workerName, image, build, folder],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const exit = once(host, 'exit') as Promise<[number | null, string | null]>;
  const over = new AbortController();
  if (killAfterMs !== undefined)
    sleep(killAfterMs, undefined, { signal: over.signal }).then(
      () => host.kill('SIGKILL'),
      () => undefined,
    );
  const [status, signal] = await exit;
  over.abort();
  if (signal === 'SIGKILL') return false;
  expect(status, 'exit status of a host').to.equal(0);
  return true;
}

async function check(folder: string): Promise<void> {
  const outcome: unknown = JSON.parse(await readFile(join(folder, 'outcome.json'), 'utf8'));
  expect(outcome).to.deep.equal(Object.fromEntries(steps.map(({ name, exitStatus }) => [name, exitStatus])));
  for (const { name, stdout, stderr } of steps) {
    expect(await readFile(join(folder, `${name}.stdout`), 'utf8'), `stdout of ${name}`).to.equal(stdout);
    expect(await readFile(join(folder, `${name}.stderr`), 'utf8'), `stderr of ${name}`).to.equal(stderr);
  }
}

/** Which pods of a worker there ever were, as one sees who looks all the time. */
class PodsSeen {
  readonly seen: string[] = [];
  readonly #api: CoreV1Api;
  readonly #world: KilledHosts;
  readonly #stop = new AbortController();
  readonly #looking: Promise<void>;

  constructor(world: KilledHosts) {
    const config = new KubeConfig();
    config.loadFromFile(world.kubeconfigPath);
    this.#api = config.makeApiClient(CoreV1Api);
    this.#world = world;
    this.#looking = this.#look();
  }

  async list(): Promise<string[]> {
    const labelSelector = `kubernetes-worker/worker=${this.#world.workerName}`;
    const { items } = await this.#api.listNamespacedPod({ namespace: this.#world.namespace, labelSelector });
    return items.map(({ metadata }) => `${metadata?.name ?? ''} ${metadata?.uid ?? ''}`);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#looking;
  }

  async #look(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const pod of await this.list()) if (!this.seen.includes(pod)) this.seen.push(pod);
      await sleep(150, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }
}

/** The same numbers for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
