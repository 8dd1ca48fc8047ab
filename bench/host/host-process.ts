// A host in a separate process that executes requests of its parent: forked, with messages over
// IPC. The parent has the database.
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  type Container,
  type ContainerOwner,
  KubernetesWorker,
  type StreamSource,
  type Volume,
} from 'kubernetes-worker';

import {
  benchDir,
  type HostRequest,
  type HostResponse,
  type HostResult,
  type Place,
  type StepsReport,
} from './host-messages.ts';
import { RemoteDatabase, type ResultMessage } from './remote-database.ts';
import { RequestRecorder } from './request-recorder.ts';
import { archiveOf, fillingOf, SlowConsumer } from './sample-stream.ts';

interface HostPod {
  readonly owner: ContainerOwner;
  readonly container: Container;
  readonly volume: Volume;
}

type RequestOf<Kind extends HostRequest['kind']> = Extract<HostRequest, { kind: Kind }>;

class Host {
  readonly #worker: KubernetesWorker;
  readonly #image: string;
  readonly #pods: HostPod[] = [];
  #saved: HostPod | undefined;

  private constructor(worker: KubernetesWorker, image: string) {
    this.#worker = worker;
    this.#image = image;
  }

  static async open({ kubeconfig, image, pods, stores }: RequestOf<'open'>, database: RemoteDatabase): Promise<Host> {
    const worker = await KubernetesWorker.open({
      name: `bench-${randomUUID()}`,
      kubeConfig: kubeconfig,
      database,
      volumeImage: image,
      ...(stores === undefined ? {} : { stores }),
      // Two hundred pods at once can take a small cluster longer than the default.
      startTimeoutMs: 900_000,
      schedulingTimeoutMs: 900_000,
    });
    const host = new Host(worker, image);
    try {
      for (let left = pods; left > 0; left -= 1) await host.#openPod();
    } catch (error) {
      await host.close();
      throw error;
    }
    return host;
  }

  get podNames(): readonly string[] {
    return this.#pods.map(({ container }) => container.podName);
  }

  async script({ pod, script }: RequestOf<'script'>): Promise<string> {
    return await run(this.#at(pod).container, script);
  }

  /** Streams an archive into a pod. Like all transfers, resolves with the number of bytes. */
  async up({ to, source }: RequestOf<'up'>): Promise<number> {
    return await this.#into(
      to,
      'file' in source ? createReadStream(source.file, { highWaterMark: 1024 * 1024 }) : archiveOf(source.mebibytes),
    );
  }

  async across({ from, to }: RequestOf<'across'>): Promise<number> {
    return await this.#into(to, await this.#at(from.pod).volume.streamOut(from.path));
  }

  async down({ from, target }: RequestOf<'down'>): Promise<number> {
    const archive = await this.#at(from.pod).volume.streamOut(from.path);
    if ('file' in target) {
      const file = createWriteStream(target.file);
      await pipeline(archive, file);
      return file.bytesWritten;
    }
    const consumer = new SlowConsumer(target.mebibytesPerSecond);
    await pipeline(archive, consumer);
    return consumer.bytes;
  }

  async steps({ count }: RequestOf<'steps'>): Promise<StepsReport> {
    const owners = Array.from({ length: count }, () => ({ kind: 'bench', key: randomUUID() }));
    try {
      return await this.#report(owners);
    } finally {
      await Promise.all(owners.map((owner) => this.#worker.ownerFinished(owner)));
      await this.#reapWithRetries();
    }
  }

  /** Resolves with the number of bytes of the output. */
  async save({ mebibytes }: RequestOf<'save'>): Promise<number> {
    const owner = { kind: 'bench', key: randomUUID() };
    const spec = { image: this.#image, dir: benchDir, outputs: { out: 'out' } };
    const { container, mounts } = await this.#worker.findOrCreateContainer(owner, spec);
    const volume = mounts.find(({ kind }) => kind === 'output')?.volume;
    if (volume === undefined) throw new Error('the step has no output');
    this.#saved = { owner, container, volume };
    await run(container, fillingOf('out/random.bin', mebibytes));
    const { unsavedAt } = await volume.status();
    if (unsavedAt !== undefined) throw new Error('the output is not saved');
    return mebibytes * 1024 * 1024;
  }

  /** Resolves with the number of bytes of the input. */
  async load({ mebibytes }: RequestOf<'load'>): Promise<number> {
    if (this.#saved === undefined) throw new Error('nothing is saved');
    const owner = { kind: 'bench', key: randomUUID() };
    const spec = { image: this.#image, dir: benchDir, inputs: [{ artifact: this.#saved.volume, path: 'in' }] };
    const { container } = await this.#worker.findOrCreateContainer(owner, spec);
    const bytes = Number(await run(container, 'wc -c <in/random.bin'));
    if (bytes !== mebibytes * 1024 * 1024) throw new Error(`the input has ${bytes} bytes`);
    for (const each of [owner, this.#saved.owner]) await this.#worker.ownerFinished(each);
    await this.#reapWithRetries();
    return bytes;
  }

  async #report(owners: readonly ContainerOwner[]): Promise<StepsReport> {
    using recorder = new RequestRecorder();
    const [startedAt, usedBefore] = [performance.now(), process.cpuUsage()];
    const firstBytesAt = await Promise.all(owners.map((owner) => this.#firstByteAt(owner)));
    const { user, system } = process.cpuUsage(usedBefore);
    const paths = recorder.requests.map(({ path }) => path);
    return {
      firstByteMs: firstBytesAt.map((at) => at - startedAt).sort((a, b) => a - b),
      cpuMs: (user + system) / 1000,
      apiRequests: paths.length,
      execs: paths.filter((path) => path.includes('/exec?')).length,
      watches: paths.filter((path) => path.includes('watch=true')).length,
      residentMiB: process.memoryUsage.rss() / 1024 / 1024,
    };
  }

  /** Runs a step. Resolves when its command has ended, with the time of the first byte. */
  async #firstByteAt(owner: ContainerOwner): Promise<number> {
    const { container } = await this.#worker.findOrCreateContainer(owner, { image: this.#image, dir: benchDir });
    let firstByteAt = Number.NaN;
    const stdout = new Writable({
      write(_chunk: Buffer, _encoding, done): void {
        firstByteAt = performance.now();
        done();
      },
    });
    const command = await container.run({ path: 'echo', args: ['first'] }, { stdout });
    const { exitStatus } = await command.wait();
    if (exitStatus !== 0 || Number.isNaN(firstByteAt)) throw new Error(`a step ended with status ${exitStatus}`);
    return firstByteAt;
  }

  async close(): Promise<void> {
    for (const { owner } of this.#pods) await this.#worker.ownerFinished(owner);
    await this.#reapWithRetries();
    await this.#worker.close();
  }

  async #openPod(): Promise<void> {
    const owner = { kind: 'bench', key: randomUUID() };
    const { container, mounts } = await this.#worker.findOrCreateContainer(owner, {
      image: this.#image,
      dir: benchDir,
      outputs: { data: 'data', peer: 'peer' },
    });
    const volume = mounts.find(({ name }) => name === 'data')?.volume;
    if (volume === undefined) throw new Error('the container has no volume');
    this.#pods.push({ owner, container, volume });
  }

  #at(pod: number): HostPod {
    const found = this.#pods[pod];
    if (found === undefined) throw new Error(`there is no pod ${pod}`);
    return found;
  }

  async #into({ pod, path }: Place, source: StreamSource): Promise<number> {
    const { rawBytes } = await this.#at(pod).volume.streamIn(path, source);
    return rawBytes;
  }

  /**
   * Retries a reap: a node can take longer to remove a pod with hundreds of thousands of files than
   * one pass waits.
   */
  async #reapWithRetries(): Promise<void> {
    for (let left = 5; ; left -= 1) {
      try {
        await this.#worker.reap();
        return;
      } catch (error) {
        if (left === 1) throw error;
      }
    }
  }
}

/** Runs a shell script. Resolves with what it prints. */
async function run(container: Container, script: string): Promise<string> {
  const chunks: Buffer[] = [];
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done): void {
      chunks.push(chunk);
      done();
    },
  });
  const command = await container.run({ path: 'sh', args: ['-c', script], dir: benchDir }, { stdout });
  const { exitStatus } = await command.wait();
  if (exitStatus !== 0) throw new Error(`${script} in the pod ended with status ${exitStatus}`);
  return Buffer.concat(chunks).toString();
}

/** Frees the memory of what is done, before the parent measures. */
async function settle(): Promise<void> {
  await sleep(500);
  globalThis.gc?.();
}

const send = (message: object): void => {
  process.send?.(message);
};
const database = new RemoteDatabase(send);
let host: Host | undefined;

async function perform(request: HostRequest): Promise<Partial<HostResult>> {
  if (request.kind === 'open') {
    host = await Host.open(request, database);
    await settle();
    return { output: host.podNames.join('\n') };
  }
  if (host === undefined) throw new Error('not open');
  switch (request.kind) {
    case 'script':
      return { output: await host.script(request) };
    case 'up':
      return { bytes: await host.up(request) };
    case 'down':
      return { bytes: await host.down(request) };
    case 'across':
      return { bytes: await host.across(request) };
    case 'steps':
      return { output: JSON.stringify(await host.steps(request)) };
    case 'save':
      return { bytes: await host.save(request) };
    case 'load':
      return { bytes: await host.load(request) };
    case 'settle':
      await settle();
      return {};
    case 'close':
      await host.close();
      return {};
  }
}

async function respond(request: HostRequest): Promise<HostResponse> {
  const startedAt = performance.now();
  try {
    const outcome = await perform(request);
    return { kind: 'done', outcome: { bytes: 0, output: '', ...outcome, ms: performance.now() - startedAt } };
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on('message', (message: HostRequest | ResultMessage) => {
  if (message.kind === 'result') database.answer(message);
  else void respond(message).then(send);
});
process.once('disconnect', () => process.exit());
