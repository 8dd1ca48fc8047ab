import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';

import { expect } from 'chai';
import sinon from 'sinon';

import { ArchiveMissingError, StoreUnavailableError } from '../../../src/errors/store.ts';
import type { KubernetesWorker, Volume } from '../../../src/index.ts';
import { PodStore } from '../../../src/stores/pod-store.ts';
import { makeContainer, newOwner, sh } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';
import { MemoryArchiveStore, type StoreCall } from '../../support/stores/memory-archive-store.ts';
import { readTar, tarOf } from '../../support/tar.ts';

const image = 'busybox:1';

describe('artifacts in an archive store on the embedded cluster', () => {
  let world: EmbeddedWorker;
  let store: MemoryArchiveStore;
  let other: MemoryArchiveStore;
  let worker: KubernetesWorker;
  /** Called before each call of the store. */
  let fault: (call: StoreCall, key: string) => void | Promise<void>;

  before(async () => {
    world = await embeddedWorker(image);
    store = new MemoryArchiveStore({ fault: (call, key) => fault(call, key) });
    other = new MemoryArchiveStore({ name: 'other' });
    worker = await world.setup.openWith({
      stores: {
        custom: [store, other],
        artifacts: 'memory',
        outputs: 'memory',
        caches: 'memory',
        saveOutputs: 'never',
        unavailableBudgetMs: 20_000,
      },
    });
  });

  beforeEach(() => {
    fault = () => undefined;
  });

  afterEach(async () => {
    sinon.restore();
    await world.reapArtifacts(worker);
    expect(await world.setup.podNames()).to.deep.equal([]);
    store.archives.clear();
    other.archives.clear();
  });

  after(async () => {
    await worker.close();
    await world.close();
  });

  const uploaded = async (files: Readonly<Record<string, string>>): Promise<Volume> => {
    const { volume } = await worker.createVolumeForArtifact('team');
    await volume.streamIn('.', Readable.from([await tarOf(files)]));
    return volume;
  };
  const filesOf = async (volume: Volume): Promise<Record<string, string>> => {
    const entries = await readTar(await buffer(await volume.streamOut('.')));
    return Object.fromEntries(
      [...entries].filter(([, { type }]) => type === 'file').map(([name, { content }]) => [name, content.toString()]),
    );
  };
  /** The pods of volumes that were created, by the call of the store. */
  const countPods = () => sinon.spy(PodStore.prototype, 'create');

  it('are uploaded as `fly execute -i` does, and are inputs of a container, without a pod of their own', async () => {
    const pods = countPods();
    const { volume, expiresAt } = await worker.createVolumeForArtifact('team');
    expect(expiresAt.getTime()).to.be.above(Date.now());
    expect(await filesOf(volume)).to.deep.equal({});
    const archive = await tarOf({ 'a.txt': 'alpha', 'sub/b.txt': 'beta' });
    const encoded = gzipSync(archive);
    const result = await volume.streamIn('.', Readable.from([encoded]), { encoding: 'gzip', limitBytes: 10_000 });
    expect(result).to.include({ bytes: encoded.length, rawBytes: archive.length });
    expect(result.digest).to.equal(createHash('sha256').update(archive).digest('hex'));
    expect(Buffer.from(await volume.readFile('sub/b.txt')).toString()).to.equal('beta');
    expect((await rejection(volume.readFile('c.txt'))).code).to.equal('KW_ERR_FILE_NOT_FOUND');
    expect(await volume.status()).to.include({ store: 'memory', digest: result.digest });
    const found = await worker.lookupVolume(volume.handle);
    const { container, owner } = await makeContainer(worker, image, { inputs: [{ artifact: found!, path: 'in' }] });
    expect((await sh(container, 'cat in/a.txt in/sub/b.txt')).stdout).to.equal('alphabeta');
    sinon.assert.notCalled(pods);
    await worker.ownerFinished(owner);
  });

  it('are refused where a pod would refuse them, and stay empty', async () => {
    const { volume } = await worker.createVolumeForArtifact('team');
    const archive = await tarOf({ 'a.txt': 'x'.repeat(2_000) });
    const up = (bytes: Buffer, options = {}) => rejection(volume.streamIn('.', Readable.from([bytes]), options));
    expect((await up(archive, { expandedLimitBytes: 1_000 })).code).to.equal('KW_ERR_ARTIFACT_TOO_LARGE');
    expect((await up(archive, { limitBytes: 1_000 })).code).to.equal('KW_ERR_ARTIFACT_TOO_LARGE');
    expect((await up(archive.subarray(0, 1_024))).code).to.equal('KW_ERR_TRUNCATED_ARCHIVE');
    const source = new Error('source');
    const failing = Readable.from(
      (async function* () {
        yield archive.subarray(0, 512);
        throw source;
      })(),
    );
    expect(await rejection(volume.streamIn('.', failing))).to.equal(source);
    expect(await filesOf(volume)).to.deep.equal({});
    expect((await volume.status()).readyAt).to.equal(undefined);
  });

  it('that are not plain are packed again in a pod, which the next reap deletes', async () => {
    const pods = countPods();
    const { volume } = await worker.createVolumeForArtifact('team');
    const [first, second] = [await tarOf({ twice: 'one' }), await tarOf({ twice: 'two', other: 'o' })];
    const archive = Buffer.concat([first.subarray(0, 1_024), second]);
    const result = await volume.streamIn('.', Readable.from([archive]));
    expect(result).to.include({
      rawBytes: archive.length,
      digest: createHash('sha256').update(archive).digest('hex'),
    });
    sinon.assert.calledOnce(pods);
    expect(await filesOf(volume)).to.deep.equal({ twice: 'two', other: 'o' });
    expect(Buffer.from(await volume.readFile('twice')).toString()).to.equal('two');
    await worker.reap();
    expect(await world.setup.podNames()).to.deep.equal([]);
  });

  it('receive further archives at any path, and two at once', async () => {
    const volume = await uploaded({ a: 'old', b: 'old' });
    const up = async (path: string, files: Readonly<Record<string, string>>) => {
      const archive = await tarOf(files);
      await volume.streamIn(path, () => Readable.from([archive]));
    };
    await up('sub', { c: 'new' });
    await Promise.all([up('.', { a: 'new' }), up('.', { d: 'new' })]);
    expect(await filesOf(volume)).to.deep.equal({ a: 'new', b: 'old', d: 'new', 'sub/c': 'new' });
  });

  it('stay as they are if a host dies in the middle of a change, of which only what expires is left', async () => {
    const volume = await uploaded({ a: 'old' });
    const dying = await world.setup.openWith({ stores: { custom: [store], saveOutputs: 'never' } });
    const source = (await dying.lookupVolume(volume.handle))!;
    const [reached, revived] = [Promise.withResolvers<void>(), Promise.withResolvers<never>()];
    fault = async (call) => {
      if (call !== 'write') return;
      reached.resolve();
      await revived.promise;
    };
    const ended = rejection(source.streamIn('.', Readable.from([await tarOf({ a: 'new' })])));
    await reached.promise;
    fault = () => undefined;
    expect(await filesOf(volume)).to.deep.equal({ a: 'old' });
    const { rows } = await world.database.query<{ minutes: number }>(
      `select extract(epoch from expires_at - now())::int / 60 as minutes from kubernetes_worker.volumes
       where container_id is null and handle <> $1`,
      [volume.handle],
    );
    expect(rows.map(({ minutes }) => minutes <= 15)).to.deep.equal([true]);
    revived.reject(new Error('revived'));
    expect(await ended).to.include({ message: 'revived' });
    await dying.close();
    expect(await filesOf(volume)).to.deep.equal({ a: 'old' });
  });

  it('wait for a store that is unavailable, if the source can be read again', async () => {
    const { volume } = await worker.createVolumeForArtifact('team');
    const archive = await tarOf({ a: '1' });
    let writes = 0;
    fault = (call) => {
      if (call === 'write' && (writes += 1) === 1) throw new StoreUnavailableError({ store: 'memory' }, 'away');
    };
    await volume.streamIn('.', () => Readable.from([archive]));
    expect(writes).to.equal(2);
    writes = 0;
    const { volume: other } = await worker.createVolumeForArtifact('team');
    const error = await rejection(other.streamIn('.', Readable.from([archive])));
    expect(error).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE' });
    expect(await filesOf(volume)).to.deep.equal({ a: '1' });
    expect(await filesOf(other)).to.deep.equal({});
  });

  it('keep the output of a container past its owner, until they expire', async () => {
    const owner = newOwner();
    const spec = { image, dir: '/tmp/build/test', outputs: { report: 'report' } };
    const { container, mounts } = await worker.findOrCreateContainer(owner, spec);
    await sh(container, 'echo kept > report/file');
    const output = mounts.find(({ name }) => name === 'report')!.volume;
    const { volume, expiresAt } = await worker.createArtifact(output, { ttlMs: 3_600_000 });
    expect(expiresAt.getTime() - Date.now()).to.be.within(3_000_000, 3_700_000);
    await sh(container, 'echo changed > report/file');
    expect(Buffer.from(await output.readFile('file')).toString(), 'the output').to.equal('changed\n');
    await worker.ownerFinished(owner);
    await worker.reap();
    expect(await world.setup.podNames()).to.deep.equal([]);
    expect(await filesOf((await worker.lookupVolume(volume.handle))!)).to.deep.equal({ file: 'kept\n' });
    await worker.expireArtifact(volume.handle);
    await worker.reap();
    expect(await worker.lookupVolume(volume.handle)).to.equal(undefined);
  });

  it('move between the stores with the same digest, and are only referred to within one', async () => {
    const volume = await uploaded({ a: '1', 'sub/b': '2' });
    const { volume: inPod } = await worker.copyArtifact(volume, { store: 'pod' });
    const { volume: back } = await worker.copyArtifact(inPod, { store: 'memory' });
    const written = store.archives.size;
    const { volume: again } = await worker.copyArtifact(back, { store: 'memory' });
    expect(store.archives.size).to.equal(written);
    const [first, second, third] = await Promise.all([inPod, back, again].map(async (copy) => await copy.status()));
    expect([first!.store, second!.store, third!.store]).to.deep.equal(['pod', 'memory', 'memory']);
    expect(third!.digest).to.equal(second!.digest);
    const digestOf = async (copy: Volume) =>
      createHash('sha256')
        .update(await buffer(await copy.streamOut('.')))
        .digest('hex');
    expect(await digestOf(inPod)).to.equal(second!.digest);
    expect(await digestOf(again)).to.equal(second!.digest);
    expect(await filesOf(again)).to.deep.equal({ a: '1', 'sub/b': '2' });
  });

  it('move between archive stores as the bytes that are stored, without a pod', async () => {
    const volume = await uploaded({ a: '1', 'sub/b': '2' });
    const [stored] = [...store.archives.values()];
    const pods = countPods();
    const { volume: copy } = await worker.copyArtifact(volume, { store: 'other' });
    expect([...other.archives.values()].map(({ bytes }) => bytes.equals(stored!.bytes))).to.deep.equal([true]);
    expect(await copy.status()).to.include({ store: 'other', digest: (await volume.status()).digest });
    await worker.copyArtifact(volume, { store: 'other' });
    expect(other.archives.size).to.equal(1);
    store.archives.clear();
    expect(await filesOf(copy)).to.deep.equal({ a: '1', 'sub/b': '2' });
    sinon.assert.notCalled(pods);
  });

  it('report an archive that is lost, never an empty volume', async () => {
    const volume = await uploaded({ a: '1' });
    store.archives.clear();
    const error = await rejection(volume.streamOut('.'));
    expect(error).to.be.instanceOf(ArchiveMissingError);
    expect(error.message).to.contain(volume.handle);
  });
});
