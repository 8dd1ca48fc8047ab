import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';

import type { ContainerOwner } from '../../../src/index.ts';
import {
  type CliProgram,
  type CliResult,
  type CliRunOptions,
  type RunningCli,
  runCli,
  startCli,
  startCliInTerminal,
  type TerminalCli,
} from './cli.ts';
import { type CliWorld, cliWorld, type WorldOptions } from './cli-world.ts';

/** A worker with one container and its process `task`, and the program that operates it. */
export class CommandRig implements AsyncDisposable {
  readonly world: CliWorld;
  readonly program: CliProgram;
  readonly image: string;
  /** The container. Its process `task` has printed `out` and `err`, and ended with 3. */
  readonly handle: string;
  readonly owner: ContainerOwner;

  private constructor(
    world: CliWorld,
    program: CliProgram,
    image: string,
    container: Pick<CommandRig, 'handle' | 'owner'>,
  ) {
    this.world = world;
    this.program = program;
    this.image = image;
    this.handle = container.handle;
    this.owner = container.owner;
  }

  static async create(options: WorldOptions, program: CliProgram): Promise<CommandRig> {
    const world = await cliWorld(options);
    const owner = { kind: 'command', key: randomUUID() };
    const { container } = await world.worker.findOrCreateContainer(owner, {
      image: options.image,
      dir: '/kw-cli/work',
    });
    const task = await container.run({ id: 'task', path: 'sh', args: ['-c', 'echo out; echo err >&2; exit 3'] }, {});
    await task.wait();
    return new CommandRig(world, program, options.image, { handle: container.handle, owner });
  }

  /** Runs a command to its end, in the folder of this machine. Variables replace those of the worker. */
  async run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
    return await runCli(args, this.#options(env));
  }

  start(args: readonly string[], options: Pick<CliRunOptions, 'env' | 'stdout'> = {}): RunningCli {
    return startCli(args, { ...this.#options(options.env), stdout: options.stdout });
  }

  inTerminal(args: readonly string[]): TerminalCli {
    return startCliInTerminal(args, this.#options());
  }

  /** Returns variables of a cluster at an address where no API server answers. */
  async clusterAt(port: number): Promise<Readonly<Record<string, string>>> {
    const file = join(this.world.home, `.kubeconfig-${port}`);
    const named = [
      ['clusters', { name: 'c', cluster: { server: `https://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
      ['users', { name: 'u', user: { token: 'x' } }],
      ['contexts', { name: 'x', context: { cluster: 'c', user: 'u' } }],
    ] as const;
    const lists = Object.fromEntries(named.map(([list, entry]) => [list, [entry]]));
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'Config', 'current-context': 'x', ...lists }));
    return { KW_WORKER_KUBECONFIG: file };
  }

  /** Returns the names of all pods of the namespace. */
  async podNames(): Promise<readonly string[]> {
    const { KW_WORKER_KUBECONFIG: path = '', KW_WORKER_NAMESPACE: namespace = '' } = this.world.env;
    const config = new KubeConfig();
    config.loadFromFile(path);
    const { items } = await config.makeApiClient(CoreV1Api).listNamespacedPod({ namespace });
    return items.map(({ metadata }) => metadata?.name ?? '').sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }

  #options(env: Readonly<Record<string, string>> = {}): CliRunOptions {
    return { env: { ...this.world.env, ...env }, cwd: this.world.home, program: this.program };
  }
}

/** Returns variables of a database at an address where none answers. */
export function databaseAt(port: number): Readonly<Record<string, string>> {
  return { KW_DATABASE_URL: `postgres://x@127.0.0.1:${port}/x`, KW_DATABASE_START_TIMEOUT_MS: '1' };
}
