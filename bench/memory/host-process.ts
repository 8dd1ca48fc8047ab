// A host that does nothing but one transfer, in a process of its own: `fork`ed, told what to do by messages. Its database is its parent's.
import { randomUUID } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Container, type ContainerOwner, KubernetesWorker, type Volume } from 'kubernetes-worker';

import { RemoteDatabase, type ResultMessage } from './remote-database.ts';
import { archiveOf, SlowConsumer } from './sample-stream.ts';

/** What the parent asks for. */
export type Order = OpenOrder | TransferOrder | { readonly kind: 'close' };

interface OpenOrder {
  readonly kind: 'open';
  readonly kubeconfig: string;
  readonly image: string;
}

interface TransferOrder {
  readonly kind: 'down' | 'up' | 'fill';
  readonly mebibytes: number;
  /** Of the consumer. */
  readonly mebibytesPerSecond: number;
}

/** The answer to each. */
export interface Answer {
  readonly kind: 'done' | 'failed';
  readonly detail: string;
}

class Host {
  readonly #worker: KubernetesWorker;
  readonly #owner: ContainerOwner;
  readonly #container: Container;
  readonly #volume: Volume;

  private constructor(worker: KubernetesWorker, owner: ContainerOwner, container: Container, volume: Volume) {
    this.#worker = worker;
    this.#owner = owner;
    this.#container = container;
    this.#volume = volume;
  }

  static async open({ kubeconfig, image }: OpenOrder, database: RemoteDatabase): Promise<Host> {
    const worker = await KubernetesWorker.open({ name: `memory-${randomUUID()}`, kubeConfig: kubeconfig, database, volumeImage: image });
    const owner = { kind: 'bench', key: 'memory' };
    const { container, mounts } = await worker.findOrCreateContainer(owner, { image, dir: '/tmp/build/bench', outputs: { data: 'data' } });
    const volume = mounts.find(({ name }) => name === 'data')?.volume;
    if (volume === undefined) throw new Error('the container has no volume');
    return new Host(worker, owner, container, volume);
  }

  async transfer({ kind, mebibytes, mebibytesPerSecond }: TransferOrder): Promise<string> {
    if (kind === 'fill') return await this.#fill(mebibytes);
    if (kind === 'up') {
      const { rawBytes, digest } = await this.#volume.streamIn('.', archiveOf(mebibytes));
      return `${rawBytes} bytes, SHA-256 ${digest}`;
    }
    const consumer = new SlowConsumer(mebibytesPerSecond);
    await pipeline(await this.#volume.streamOut('.'), consumer);
    if (consumer.bytes < mebibytes * 1024 * 1024) throw new Error(`${consumer.bytes} bytes came, less than ${mebibytes} MiB`);
    return `${consumer.bytes} bytes`;
  }

  async close(): Promise<void> {
    await this.#worker.ownerFinished(this.#owner);
    await this.#worker.reap();
    await this.#worker.close();
  }

  /** A file of random bytes, made in the pod. */
  async #fill(mebibytes: number): Promise<string> {
    const script = `head -c 1048576 /dev/urandom >/tmp/block && : >data/random.bin && for i in $(seq ${mebibytes}); do cat /tmp/block; done >>data/random.bin`;
    const process = await this.#container.run({ path: 'sh', args: ['-c', script], dir: '/tmp/build/bench' }, {});
    const { exitStatus } = await process.wait();
    if (exitStatus !== 0) throw new Error(`making the file ended with status ${exitStatus}`);
    return `${mebibytes} MiB`;
  }
}

const send = (message: object): void => {
  process.send?.(message);
};
const database = new RemoteDatabase(send);
let host: Host | undefined;

async function obey(order: Order): Promise<string> {
  if (order.kind === 'open') {
    host = await Host.open(order, database);
    // What was only needed to begin with is let go of before anybody looks.
    await sleep(500);
    globalThis.gc?.();
    return 'open';
  }
  if (host === undefined) throw new Error('not open');
  if (order.kind !== 'close') return await host.transfer(order);
  await host.close();
  return 'closed';
}

process.on('message', (message: Order | ResultMessage) => {
  if (message.kind === 'result') {
    database.answer(message);
    return;
  }
  obey(message).then(
    (detail) => {
      send({ kind: 'done', detail } satisfies Answer);
    },
    (error: unknown) => {
      send({ kind: 'failed', detail: error instanceof Error ? (error.stack ?? error.message) : String(error) } satisfies Answer);
    },
  );
});
process.once('disconnect', () => process.exit());
