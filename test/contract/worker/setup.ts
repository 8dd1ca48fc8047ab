import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { Writable } from 'node:stream';

import type {
  Container,
  ContainerOwner,
  ContainerSpec,
  ContainerWithMounts,
  ProcessIO,
  ProcessResult,
  ProcessSpec,
  Worker,
} from '../../../src/index.ts';

/** What a suite of the worker runs on: the embedded cluster, or a real one. */
export interface WorkerSetup {
  /** A worker; another call gives another instance of the same one. */
  open(): Promise<Worker>;
  /** An image with a shell and the usual tools. */
  readonly image: string;
  /** An image that cannot be pulled. */
  readonly missingImage: string;
  /** The names of the worker's pods, as the API lists them. */
  podNames(): Promise<readonly string[]>;
  /** Deletes a pod behind the worker's back. */
  deletePod(podName: string): Promise<void>;
}

/** Owners that no other test has. */
export function newOwner(kind = 'test-step'): ContainerOwner {
  return { kind, key: randomUUID() };
}

/** A container for one test, in a directory of its own. */
export async function makeContainer(
  worker: Worker,
  image: string,
  parts: Partial<ContainerSpec> = {},
): Promise<ContainerWithMounts & { readonly owner: ContainerOwner }> {
  const owner = newOwner();
  return { ...(await worker.findOrCreateContainer(owner, { image, dir: '/tmp/build/test', ...parts })), owner };
}

/** Keeps what is written to it. */
export class Collector extends Writable {
  readonly #chunks: Buffer[] = [];

  readonly #change = new EventEmitter();

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
    this.#change.emit('change');
  }

  /** What was written each time. */
  get chunks(): readonly string[] {
    return this.#chunks.map(String);
  }

  /** Resolves when this text was written. */
  async shows(text: string): Promise<void> {
    while (!this.text.includes(text)) await once(this.#change, 'change');
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }
}

export interface Ran extends ProcessResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a process to its end and keeps what it printed. */
export async function run(container: Container, spec: ProcessSpec, io: Pick<ProcessIO, 'stdin'> = {}): Promise<Ran> {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const process = await container.run(spec, { ...io, stdout, stderr });
  const result = await process.wait();
  return { ...result, stdout: stdout.text, stderr: stderr.text };
}

/** Runs a script of the shell to its end. */
export async function sh(container: Container, script: string, spec: Partial<ProcessSpec> = {}): Promise<Ran> {
  return await run(container, { path: 'sh', args: ['-c', script], ...spec });
}
