import { PassThrough } from 'node:stream';
import type { ContainerOwner, ContainerSpec, Process, VolumeMount, Worker } from '../../../src/index.ts';
import { Collector, sh } from '../../contract/worker/setup.ts';

/** A build of two steps, whose first one runs until the test ends it. */
class RunningBuild {
  readonly #worker: Worker;
  readonly #spec: ContainerSpec;
  readonly #owners: readonly [ContainerOwner, ContainerOwner];
  readonly #stdin = new PassThrough();
  readonly #stdout = new Collector();
  #process: Process | undefined;
  #mounts: readonly VolumeMount[] = [];

  constructor(worker: Worker, key: string, spec: ContainerSpec) {
    this.#worker = worker;
    this.#spec = spec;
    this.#owners = [
      { kind: 'step', key: `${key}/make` },
      { kind: 'step', key: `${key}/use` },
    ];
  }

  /** Starts the first step, and waits until its command runs. */
  async start(): Promise<void> {
    const [owner] = this.#owners;
    const { container, mounts } = await this.#worker.findOrCreateContainer(owner, {
      ...this.#spec,
      outputs: { made: 'made' },
    });
    this.#mounts = mounts;
    // A line for each run: a command that is started again would write two.
    const script = `echo ${owner.key} >> count; echo runs; cat > /dev/null; cat count > made/file`;
    const io = { stdin: this.#stdin, stdout: this.#stdout };
    this.#process = await container.run({ path: 'sh', args: ['-c', script] }, io);
    await this.#stdout.shows('runs\n');
  }

  /** Ends the first step, and returns what the second one reads of its output. */
  async finish(): Promise<string> {
    this.#stdin.end();
    const [make, use] = this.#owners;
    const { exitStatus } = await this.#process!.wait();
    if (exitStatus !== 0) throw new Error(`${make.key} has ended with ${exitStatus}`);
    const artifact = this.#mounts.find(({ name }) => name === 'made')!.volume;
    const user = await this.#worker.findOrCreateContainer(use, {
      ...this.#spec,
      inputs: [{ artifact, path: 'in' }],
    });
    const { stdout } = await sh(user.container, 'cat in/file');
    await Promise.all(this.#owners.map(async (owner) => await this.#worker.ownerFinished(owner)));
    return stdout;
  }
}

/** Builds of a host that run while a test changes the service. */
export class RunningBuilds {
  readonly #builds: readonly RunningBuild[];
  readonly #keys: readonly string[];

  constructor(worker: Worker, count: number, spec: ContainerSpec, prefix = 'build') {
    this.#keys = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
    this.#builds = this.#keys.map((key) => new RunningBuild(worker, key, spec));
  }

  /** Starts all builds, and waits until the command of each one runs. */
  async start(): Promise<void> {
    await Promise.all(this.#builds.map(async (build) => await build.start()));
  }

  /** Ends all builds. Returns what their second steps have read. */
  async finish(): Promise<readonly string[]> {
    return await Promise.all(this.#builds.map(async (build) => await build.finish()));
  }

  /** What `finish` returns if each command has run once. */
  get expected(): readonly string[] {
    return this.#keys.map((key) => `${key}/make\n`);
  }
}
