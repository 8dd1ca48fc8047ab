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

/** The environment of a suite of the worker: the embedded cluster, or a real one. */
export interface WorkerSetup {
  /** Opens a worker. Each call returns another instance of the same worker. */
  open(): Promise<Worker>;
  /** An image with a shell and the usual tools. */
  readonly image: string;
  /** An image that cannot be pulled. */
  readonly missingImage: string;
  /** Returns the names of the worker's pods from the API. */
  podNames(): Promise<readonly string[]>;
  /** Returns a pod from the API, as JSON. */
  podJson(podName: string): Promise<string>;
  /** Creates a secret in the worker's namespace. */
  createSecret(name: string, values: Readonly<Record<string, string>>): Promise<void>;
  /** Creates a pod with the labels of an existing one, but of this handle, which has no row. */
  copyPod(podName: string, handle: string): Promise<void>;
  /** Deletes a pod without the worker. */
  deletePod(podName: string): Promise<void>;
}

/** Returns an owner that no other test uses. */
export function newOwner(kind = 'test-step'): ContainerOwner {
  return { kind, key: randomUUID() };
}

/** Creates a container for one test, with its own directory. */
export async function makeContainer(
  worker: Worker,
  image: string,
  parts: Partial<ContainerSpec> = {},
): Promise<ContainerWithMounts & { readonly owner: ContainerOwner; readonly spec: ContainerSpec }> {
  const owner = newOwner();
  const spec = { image, dir: '/tmp/build/test', ...parts };
  return { ...(await worker.findOrCreateContainer(owner, spec)), owner, spec };
}

/** Collects all writes. */
export class Collector extends Writable {
  readonly #chunks: Buffer[] = [];

  readonly #change = new EventEmitter();

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
    this.#change.emit('change');
  }

  /** The text of each write. */
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

/** Runs a process to its end and returns its output. */
export async function run(container: Container, spec: ProcessSpec, io: Pick<ProcessIO, 'stdin'> = {}): Promise<Ran> {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const process = await container.run(spec, { ...io, stdout, stderr });
  const result = await process.wait();
  return { ...withoutTimes(result), stdout: stdout.text, stderr: stderr.text };
}

/** Returns the result without its times, which differ from run to run. */
export function withoutTimes({ startedAt: _started, finishedAt: _finished, ...rest }: ProcessResult): ProcessResult {
  return rest;
}

/** Runs a shell script to its end. */
export async function sh(container: Container, script: string, spec: Partial<ProcessSpec> = {}): Promise<Ran> {
  return await run(container, { path: 'sh', args: ['-c', script], ...spec });
}
