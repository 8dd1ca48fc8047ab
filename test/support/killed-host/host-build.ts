import { once } from 'node:events';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  renameSync,
  statSync,
  type WriteStream,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import type { Artifact, Container, ContainerOwner, Worker } from '../../../src/index.ts';
import { type Step, steps } from './build.ts';
import { type HostOrder, outcomeFile } from './order.ts';
import { retried } from './retried.ts';

/** The output of a step, by the name of the step. */
type Inputs = ReadonlyMap<string, Artifact>;

interface Log {
  readonly bytes: number;
  readonly writable: WriteStream;
}

/** A build of a host program. It continues where an earlier host was killed. */
export class HostBuild {
  readonly #worker: Worker;
  readonly #isRetried: boolean;
  readonly #image: string;
  readonly #build: string;
  readonly #folder: string;

  constructor({ worker, order, build }: { worker: Worker; order: HostOrder; build: string }) {
    this.#worker = worker;
    this.#isRetried = order.isRetried;
    this.#image = order.image;
    this.#build = build;
    this.#folder = join(order.folder, build);
  }

  /** Runs the steps, keeps their statuses, and releases their containers. */
  async run(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    const outcome = join(this.#folder, outcomeFile);
    if (!existsSync(outcome)) {
      writeFileSync(`${outcome}.new`, JSON.stringify(await this.#runSteps()));
      renameSync(`${outcome}.new`, outcome);
    }
    for (const step of steps)
      await retried(this.#isRetried, async () => await this.#worker.ownerFinished(this.#ownerOf(step)));
  }

  async #runSteps(): Promise<Readonly<Record<string, number>>> {
    const statuses: Record<string, number> = {};
    let made: Inputs = new Map();
    for (const step of steps) {
      const { exitStatus, output } = await retried(this.#isRetried, async () => await this.#runStep(step, made));
      statuses[step.name] = exitStatus;
      made = new Map([[step.name, output]]);
    }
    return statuses;
  }

  async #runStep(step: Step, made: Inputs): Promise<{ exitStatus: number; output: Artifact }> {
    const { container, mounts } = await this.#worker.findOrCreateContainer(this.#ownerOf(step), {
      image: this.#image,
      dir: '/tmp/build/step',
      inputs: [...made].map(([by, artifact]) => ({ artifact, path: `made-by-${by}` })),
      outputs: { made: 'made' },
    });
    const exitStatus = await this.#runCommand(container, step);
    const { status } = await container.properties();
    if (status !== String(exitStatus)) throw new Error(`the property has ${String(status)}, the result ${exitStatus}`);
    const output = mounts.find((mount) => mount.name === 'made')?.volume;
    if (output === undefined) throw new Error(`${step.name} has no output`);
    return { exitStatus, output };
  }

  async #runCommand(container: Container, step: Step): Promise<number> {
    const [stdout, stderr] = [this.#log(step, 'stdout'), this.#log(step, 'stderr')];
    try {
      const command = await container.run(
        { id: 'step', path: 'sh', args: ['-c', step.script] },
        {
          stdin: step.stdin === undefined ? undefined : Readable.from([step.stdin]),
          stdout: stdout.writable,
          stderr: stderr.writable,
        },
        {
          from: { stdoutBytes: stdout.bytes, stderrBytes: stderr.bytes },
          resultProperties: (result) => ({ status: String(result.exitStatus) }),
        },
      );
      const { exitStatus, undelivered } = await command.wait();
      if (undelivered !== undefined)
        throw new Error(`the log of ${step.name} is incomplete`, { cause: undelivered[0]?.cause });
      return exitStatus;
    } finally {
      await Promise.all([stdout, stderr].map(close));
    }
  }

  /** Opens the log of a stream. Its size is the offset at which the next call resumes. */
  #log(step: Step, stream: 'stdout' | 'stderr'): Log {
    const path = join(this.#folder, `${step.name}.${stream}`);
    return { bytes: existsSync(path) ? statSync(path).size : 0, writable: createWriteStream(path, { flags: 'a' }) };
  }

  #ownerOf(step: Step): ContainerOwner {
    return { kind: 'build-step', key: `${this.#build}/${step.name}` };
  }
}

async function close({ writable }: Log): Promise<void> {
  writable.end();
  if (!writable.closed) await once(writable, 'close');
}
