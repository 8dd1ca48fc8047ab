import { text } from 'node:stream/consumers';

import { expect } from 'chai';
import sinon from 'sinon';

import { StoreUnavailableError } from '../../../src/errors/store.ts';
import type { ContainerSpec, KubernetesWorker, Process, Volume } from '../../../src/index.ts';
import { PostgresContainerRepository } from '../../../src/repository/postgres/containers/postgres-container-repository.ts';
import { Collector, makeContainer, sh } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';
import { MemoryArchiveStore, type StoreCall } from '../../support/stores/memory-archive-store.ts';

const image = 'busybox:1';

describe('outputs on the embedded cluster', () => {
  let world: EmbeddedWorker;
  let store: MemoryArchiveStore;
  let worker: KubernetesWorker;
  /** Called before each call of the store. */
  let fault: (call: StoreCall, key: string) => void | Promise<void>;

  before(async () => {
    world = await embeddedWorker(image);
    store = new MemoryArchiveStore({ fault: (call, key) => fault(call, key) });
    worker = await world.setup.openWith({ stores: { custom: [store], unavailableBudgetMs: 20_000 } });
  });

  beforeEach(() => {
    fault = () => undefined;
    store.archives.clear();
  });

  after(async () => {
    await worker?.close();
    await world?.close();
  });

  const made = async (parts: Partial<ContainerSpec> = {}, by: KubernetesWorker = worker) => {
    const { container, mounts, ...more } = await makeContainer(by, image, { outputs: { out: 'out' }, ...parts });
    return { ...more, mounts, container, out: mounts.find(({ name }) => name === 'out')!.volume };
  };
  const read = async (volume: Volume): Promise<string> => Buffer.from(await volume.readFile('file')).toString();
  const podOf = async (handle: string): Promise<string> =>
    (
      await world.database.query<{ pod_name: string }>(
        'select pod_name from kubernetes_worker.containers where handle = $1',
        [handle],
      )
    ).rows[0]!.pod_name;
  const away = (): never => {
    throw new StoreUnavailableError({ store: 'memory' }, 'no answer');
  };

  it('reach the next step when the pods of their producers are deleted before it starts [A41]', async () => {
    const get = await made();
    await sh(get.container, 'mkdir -p out/d && echo v1 > out/file && ln out/file out/d/link');
    await world.setup.deletePod(await podOf(get.container.handle));
    const task = await made({ inputs: [{ artifact: get.out, path: 'in' }] });
    await sh(task.container, 'cat in/d/link in/file > out/file');
    await world.setup.deletePod(await podOf(task.container.handle));
    const put = await made({ inputs: [{ artifact: (await worker.lookupVolume(task.out.handle))!, path: 'in' }] });
    expect((await sh(put.container, 'cat in/file')).stdout).to.equal('v1\nv1\n');
    expect(await read(task.out)).to.equal('v1\nv1\n');
    expect(await task.out.status()).to.include({ store: 'memory', unsavedAt: undefined });
  });

  it('are saved after a failed command as well, and not at all after a hijack', async () => {
    const { container, out } = await made();
    await sh(container, 'echo shell > out/file', { id: 'shell', hijack: true });
    expect(store.archives.size).to.equal(0);
    const { exitStatus } = await sh(container, 'echo failed > out/file; exit 1');
    expect(exitStatus).to.equal(1);
    await world.setup.deletePod(await podOf(container.handle));
    expect(await read(out)).to.equal('failed\n');
  });

  it('are not saved after a hijack of another host, which is attached to, stopped or has ended', async () => {
    await using host = await world.setup.openWith({ stores: { custom: [store] } });
    const { container } = await made({}, host);
    const found = (await worker.lookupContainer(container.handle))!;
    const hijack = async (id: string): Promise<Process> => {
      const script = 'echo hijack > out/file; while ! [ -e out/go ]; do sleep 0.05; done';
      const process = await container.run({ id, path: 'sh', args: ['-c', script], hijack: true }, {});
      const query = 'select from kubernetes_worker.hijacks where process_id = $1 and started_at is not null';
      while ((await world.database.query(query, [id])).rows.length === 0) await new Promise(setImmediate);
      return process;
    };
    const stopped = await hijack('stopped');
    expect(await found.stopProcess('stopped')).to.include({ signal: 15 });
    expect(await stopped.wait()).to.include({ signal: 15 });
    const attached = await hijack('attached');
    const following = await found.attach('attached', {});
    await sh(container, 'touch out/go', { id: 'go', hijack: true });
    for (const process of [attached, following]) expect(await process.wait()).to.include({ exitStatus: 0 });
    expect(await (await found.attach('attached', {})).wait()).to.include({ exitStatus: 0 });
    expect(store.archives.size).to.equal(0);
  });

  it('are saved by another host after a command whose ID a hijack was refused', async () => {
    const { container, out } = await made();
    const script = 'while ! [ -e go ]; do sleep 0.05; done; echo task > out/file';
    const process = await container.run({ id: 'task', path: 'sh', args: ['-c', script] }, {});
    const refused = await rejection(container.run({ id: 'task', path: 'sh', hijack: true }, {}));
    expect(refused).to.include({ code: 'KW_ERR_PROCESS_SPEC_CHANGED' });
    await process[Symbol.asyncDispose]();
    await using host = await world.setup.openWith({ stores: { custom: [store] } });
    const found = (await host.lookupContainer(container.handle))!;
    const attached = await found.attach('task', {});
    await sh(found, 'touch go', { id: 'go', hijack: true });
    expect(await attached.wait()).to.include({ exitStatus: 0 });
    expect(store.archives.size).to.equal(1);
    expect(await read(out)).to.equal('task\n');
  });

  it('move no bytes if a later process leaves them unchanged', async () => {
    const { container, out } = await made();
    await sh(container, 'echo same > out/file');
    await sh(container, 'cat out/file');
    expect(store.archives.size).to.equal(1);
    await sh(container, 'echo other > out/file');
    expect(store.archives.size).to.equal(2);
    expect(await read(out)).to.equal('other\n');
  });

  it('move no bytes if they are an input that the step leaves unchanged', async () => {
    const get = await made();
    await sh(get.container, 'mkdir out/d && echo v1 > out/file && ln -s ../file out/d/link');
    const task = await made({ inputs: [{ artifact: get.out, path: 'out' }] });
    await sh(task.container, 'cat out/file');
    expect(store.archives.size).to.equal(1);
    await world.setup.deletePod(await podOf(get.container.handle));
    await world.setup.deletePod(await podOf(task.container.handle));
    expect(await read(task.out)).to.equal('v1\n');
    // The archive belongs to both outputs.
    await worker.ownerFinished(get.owner);
    await worker.reap();
    expect(await read(task.out)).to.equal('v1\n');
  });

  it('are written if a step changes the input that they are', async () => {
    const get = await made();
    await sh(get.container, 'echo v1 > out/file');
    const task = await made({ inputs: [{ artifact: get.out, path: 'out' }] });
    await sh(task.container, 'echo v2 > out/file');
    expect(store.archives.size).to.equal(2);
    expect([await read(get.out), await read(task.out)]).to.deep.equal(['v1\n', 'v2\n']);
  });

  it('move no bytes if an artifact is made of an input that is unchanged', async () => {
    const get = await made();
    await sh(get.container, 'echo v1 > out/file');
    const { mounts } = await made({ inputs: [{ artifact: get.out, path: 'in' }] });
    const input = mounts.find(({ kind }) => kind === 'input')!.volume;
    const { volume } = await worker.createArtifact(input, { store: 'memory' });
    expect(store.archives.size).to.equal(1);
    expect(await read(volume)).to.equal('v1\n');
  });

  it('delay the result until they are saved, while the store is unavailable', async () => {
    const order: string[] = [];
    const record = PostgresContainerRepository.prototype.recordProcessResult;
    sinon.stub(PostgresContainerRepository.prototype, 'recordProcessResult').callsFake(async function (
      this: PostgresContainerRepository,
      ...args
    ) {
      order.push('record');
      await record.apply(this, args);
    });
    let failures = 2;
    fault = (call) => {
      if (call !== 'write') return;
      if ((failures -= 1) >= 0) away();
      order.push('write');
    };
    const { container, out } = await made();
    const result = await sh(container, 'echo late > out/file');
    expect(order).to.deep.equal(['write', 'record']);
    expect(result.unsaved).to.equal(undefined);
    expect(result.stderr).to.equal('');
    expect([...store.archives.keys()]).to.satisfy(([key]: string[]) => key!.endsWith('-3.tar.zst'));
    expect(await read(out)).to.equal('late\n');
  });

  it('are reported as unsaved beyond the budget, and readable as long as the pod exists', async () => {
    await using impatient = await world.setup.openWith({ stores: { custom: [store], unavailableBudgetMs: 50 } });
    fault = away;
    const { container, out } = await made({}, impatient);
    const { exitStatus, unsaved } = await sh(container, 'echo unsaved > out/file');
    expect(exitStatus).to.equal(0);
    expect(unsaved?.map(({ mountPath, handle }) => [mountPath, handle])).to.deep.equal([
      ['/tmp/build/test/out', out.handle],
    ]);
    expect(unsaved?.[0]?.cause).to.be.instanceOf(StoreUnavailableError);
    const { store: name, unsavedAt } = await out.status();
    expect(name).to.equal('pod');
    expect(unsavedAt).to.be.instanceOf(Date);
    expect(await read(out)).to.equal('unsaved\n');
  });

  it('are saved once for two hosts that wait for the same process', async () => {
    const other = await world.setup.openWith({ stores: { custom: [store] } });
    const { container } = await made();
    const writing = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    fault = async (call) => {
      if (call !== 'write') return;
      writing.resolve();
      await released.promise;
    };
    const process = await container.run({ id: 'task', path: 'sh', args: ['-c', 'echo two > out/file'] }, {});
    const found = await other.lookupContainer(container.handle);
    const attached = await found!.attach('task', {});
    await writing.promise;
    released.resolve();
    const results = await Promise.all([process.wait(), attached.wait()]);
    expect(results.map(({ exitStatus }) => exitStatus)).to.deep.equal([0, 0]);
    expect(store.archives.size).to.equal(1);
    await other.close();
  });

  it('are saved once if the host ends between the save and the record', async () => {
    const host = await world.setup.openWith({ stores: { custom: [store] } });
    const { container, out } = await made({}, host);
    const saved = Promise.withResolvers<void>();
    const stub = sinon
      .stub(PostgresContainerRepository.prototype, 'recordProcessResult')
      .callsFake(async (_handle, _id, _result, options) => {
        saved.resolve();
        // The statement of a host that is killed never arrives.
        await new Promise((_resolve, reject) =>
          options?.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error)),
        );
      });
    const process = await container.run({ id: 'task', path: 'sh', args: ['-c', 'echo once > out/file'] }, {});
    await saved.promise;
    await process[Symbol.asyncDispose]();
    stub.restore();
    await host.close();
    const found = await worker.lookupContainer(container.handle);
    const stdout = new Collector();
    expect(await (await found!.attach('task', { stdout })).wait()).to.include({ exitStatus: 0 });
    expect(store.archives.size).to.equal(1);
    expect(await read((await worker.lookupVolume(out.handle))!)).to.equal('once\n');
  });

  it('are not saved by a host that detaches, and then by the next one', async () => {
    const isRefused = Promise.withResolvers<void>();
    fault = () => {
      isRefused.resolve();
      away();
    };
    const { container, out } = await made();
    const process = await container.run({ id: 'task', path: 'sh', args: ['-c', 'echo next > out/file'] }, {});
    await isRefused.promise;
    await process[Symbol.asyncDispose]();
    expect((await container.findProcess('task'))?.result).to.equal(undefined);
    fault = () => undefined;
    expect(await container.stopProcess('task')).to.include({ exitStatus: 0 });
    expect(store.archives.size).to.equal(1);
    await world.setup.deletePod(await podOf(container.handle));
    expect(await read(out)).to.equal('next\n');
  });

  it('name volume and key if the store has lost them and the pod no longer exists', async () => {
    const { container, out } = await made();
    await sh(container, 'echo lost > out/file');
    const [key] = store.archives.keys();
    store.archives.clear();
    // The pod of the producer still has the content.
    expect(await text(await out.streamOut('.'))).to.include('lost\n');
    await world.setup.deletePod(await podOf(container.handle));
    const error = await rejection(made({ inputs: [{ artifact: out, path: 'in' }] }));
    expect(error).to.include({ code: 'KW_ERR_ARCHIVE_MISSING', key, volume: out.handle });
  });

  it('stall the worker while a heartbeat does not reach the store', async () => {
    fault = away;
    expect(await rejection(worker.heartbeat())).to.be.instanceOf(StoreUnavailableError);
  });
});
