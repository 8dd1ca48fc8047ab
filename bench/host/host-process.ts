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
import { archiveOf, SlowConsumer } from './sample-stream.ts';

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

  private constructor(worker: KubernetesWorker, image: string) {
    this.#worker = worker;
    this.#image = image;
  }

  static async open({ kubeconfig, image, pods }: RequestOf<'open'>, database: RemoteDatabase): Promise<Host> {
    const worker = await KubernetesWorker.open({
      name: `bench-${randomUUID()}`,
      kubeConfig: kubeconfig,
      database,
      volumeImage: image,
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
    const chunks: Buffer[] = [];
    const stdout = new Writable({
      write(chunk: Buffer, _encoding, done): void {
        chunks.push(chunk);
        done();
      },
    });
    const process = await this.#at(pod).container.run({ path: 'sh', args: ['-c', script], dir: benchDir }, { stdout });
    const { exitStatus } = await process.wait();
    if (exitStatus !== 0) throw new Error(`${script} in the pod ended with status ${exitStatus}`);
    return Buffer.concat(chunks).toString();
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

const send = (message: object): void => {
  process.send?.(message);
};
const database = new RemoteDatabase(send);
let host: Host | undefined;

async function perform(request: HostRequest): Promise<Partial<HostResult>> {
  if (request.kind === 'open') {
    host = await Host.open(request, database);
    // Frees the memory of the start before the parent measures.
    await sleep(500);
    globalThis.gc?.();
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
