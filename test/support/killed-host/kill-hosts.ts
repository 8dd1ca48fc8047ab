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

/** The environment of the hosts. */
export interface KilledHosts {
  readonly kubeconfigPath: string;
  readonly namespace: string;
  readonly databaseUrl: string;
  readonly workerName: string;
  readonly image: string;
  /** The total number of kills, over as many builds as necessary. */
  readonly kills: number;
  /** The latest moment after the start of a host at which it is killed, in milliseconds. */
  readonly latestMs: number;
  /** Chooses the moments. */
  readonly random: () => number;
}

const program = fileURLToPath(new URL('./host.ts', import.meta.url));

/**
 * Runs builds, kills their hosts at random moments, and checks each build. Returns the number of
 * builds.
 */
export async function killHosts(world: KilledHosts): Promise<number> {
  let kills = 0;
  let builds = 0;
  for (; kills < world.kills; builds += 1) {
    const folder = await mkdtemp(join(tmpdir(), 'kw-killed-host-'));
    const pods = new PodRecorder(world);
    try {
      let isDone = false;
      while (!isDone) {
        const isKilled = kills < world.kills;
        isDone = await runHost(
          world,
          `build-${builds}`,
          folder,
          isKilled ? world.random() * world.latestMs : undefined,
        );
        if (!isDone) kills += 1;
      }
      await check(folder);
    } finally {
      await pods.stop();
      await rm(folder, { recursive: true });
    }
    // One pod per step: no step was restarted in another pod.
    expect(pods.seen, 'pods of the build').to.have.length(steps.length);
    expect(await pods.list(), 'remaining pods').to.deep.equal([]);
  }
  return builds;
}

/** Runs one host. Returns `true` if it exited by itself with 0, `false` if it was killed. */
async function runHost(
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
  const exited = new AbortController();
  if (killAfterMs !== undefined)
    sleep(killAfterMs, undefined, { signal: exited.signal }).then(
      () => host.kill('SIGKILL'),
      () => undefined,
    );
  const [status, signal] = await exit;
  exited.abort();
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

/** Records every pod of a worker by polling. */
class PodRecorder {
  readonly seen: string[] = [];
  readonly #api: CoreV1Api;
  readonly #world: KilledHosts;
  readonly #stop = new AbortController();
  readonly #polling: Promise<void>;

  constructor(world: KilledHosts) {
    const config = new KubeConfig();
    config.loadFromFile(world.kubeconfigPath);
    this.#api = config.makeApiClient(CoreV1Api);
    this.#world = world;
    this.#polling = this.#poll();
  }

  async list(): Promise<string[]> {
    const labelSelector = `kubernetes-worker/worker=${this.#world.workerName}`;
    const { items } = await this.#api.listNamespacedPod({ namespace: this.#world.namespace, labelSelector });
    return items.map(({ metadata }) => `${metadata?.name ?? ''} ${metadata?.uid ?? ''}`);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#polling;
  }

  async #poll(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const pod of await this.list()) if (!this.seen.includes(pod)) this.seen.push(pod);
      await sleep(150, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }
}
