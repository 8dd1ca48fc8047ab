import { Readable } from 'node:stream';
import { buffer, json } from 'node:stream/consumers';

import { expect } from 'chai';
import sinon from 'sinon';

import { FakeArtifactStore, FakeCacheRepository, FakeVolumeRepository } from '../../../../fakes/index.ts';
import type { ArchiveService } from '../../../../src/archives/archive-service.ts';
import { ArchiveMissingError, StoreUnavailableError } from '../../../../src/errors/store.ts';
import { DiskFullError } from '../../../../src/errors/transfer.ts';
import type { ArchiveReference, VolumeRecord } from '../../../../src/repository/records.ts';
import type { StoreLocation } from '../../../../src/stores/artifact-store.ts';
import { SealedContent } from '../../../../src/worker/volumes/sealed-content.ts';
import type { ContentPlace, VolumeContent } from '../../../../src/worker/volumes/volume-content.ts';
import { rejection } from '../../../support/rejection.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

/** Files by path. As an archive: its JSON. A file `not-plain` makes the archive not plain. */
type Files = Record<string, string>;

const archiveOf = (files: Files): Readable => Readable.from([Buffer.from(JSON.stringify(files))]);

describe('SealedContent', () => {
  const place: StoreLocation = { at: 'container' };
  let clock: VirtualClock;
  let volumes: FakeVolumeRepository;
  let pods: FakeArtifactStore;
  /** The row of the volume. */
  let row: { state: VolumeRecord['state']; archive: ArchiveReference | undefined } | undefined;
  let archives: Map<string, Files>;
  let places: Map<string, Files>;
  let service: sinon.SinonStubbedInstance<Pick<ArchiveService, 'save' | 'write' | 'copy' | 'refer' | 'load' | 'open'>>;
  let content: SealedContent;
  let ids: number;
  const reapSoon = sinon.spy();

  const add = (files: Files, store = 's3'): ArchiveReference => {
    const id = `a${(ids += 1)}`;
    archives.set(id, files);
    const facts = { rawBytes: JSON.stringify(files).length, digest: id, storedBytes: 1, storedDigest: id };
    return { id, store, key: `k/${id}`, ...facts };
  };
  /** As a commit does: moves the reference unless the volume has another archive. */
  const commit = (archive: ArchiveReference, before: string | undefined): boolean => {
    if (row?.state !== 'created' || row.archive?.id !== before) return false;
    row.archive = archive;
    return true;
  };
  const filesNow = () => (row?.archive === undefined ? undefined : archives.get(row.archive.id));
  const elsewhere = (where: Pick<ContentPlace, 'archive' | 'open'>, from: unknown = service): VolumeContent =>
    ({ locate: async () => ({ handle: 'u', service: from, ...where }) }) as VolumeContent;

  beforeEach(() => {
    [clock, volumes, ids] = [new VirtualClock(), new FakeVolumeRepository(), 0];
    [archives, places] = [new Map(), new Map([['container', { output: 'text' }]])];
    row = { state: 'created', archive: undefined };
    pods = new FakeArtifactStore({ name: 'pod' });
    pods.locate.callsFake((handle) => ({ at: handle }));
    pods.create.callsFake(async (_handle, { at }) => void places.set(at!, {}));
    pods.receive.callsFake(async ({ at }, path, source) => {
      const files = (await json((await (typeof source === 'function' ? source() : source)) as Readable)) as Files;
      const named = Object.entries(files).map(([name, text]) => [path === '.' ? name : `${path}/${name}`, text]);
      Object.assign(places.get(at!)!, Object.fromEntries(named));
      return { rawBytes: 1, digest: 'received', entries: named.length };
    });
    volumes.lookup.callsFake(async () => row as VolumeRecord | undefined);
    volumes.insertArtifact.callsFake(async ({ handle, location }) => ({ handle, location }) as VolumeRecord);
    volumes.markCreated.callsFake(async (handle) => ({ handle, location: { at: handle } }) as unknown as VolumeRecord);
    volumes.expire.resolves(true);
    service = {
      save: sinon.stub(),
      write: sinon.stub(),
      copy: sinon.stub(),
      refer: sinon.stub(),
      load: sinon.stub(),
      open: sinon.stub(),
    };
    service.write.callsFake(async (volume, _store, bytes) => {
      const files = JSON.parse((await buffer(bytes)).toString()) as Files;
      const isPlain = !('not-plain' in files);
      const archive = add(files);
      return { archive, entries: 7, isPlain, isContent: isPlain && commit(archive, volume.archive?.id) };
    });
    service.load.callsFake(async ({ id }, { at }) => {
      Object.assign(places.get(at!)!, archives.get(id));
      return { rawBytes: 1, digest: id, entries: 1 };
    });
    service.save.callsFake(async ({ location, archive: before }) => {
      const archive = add({ ...places.get(location['at']!) });
      return { archive, isUnchanged: false, isContent: commit(archive, before?.id) };
    });
    service.copy.callsFake(async ({ id }, { archive: before }, to) => {
      const archive = add(archives.get(id)!, to);
      return { archive, isUnchanged: false, isContent: commit(archive, before?.id) };
    });
    service.open.callsFake(async (archive) => ({ kind: 'directory', archive: archiveOf(archives.get(archive.id)!) }));
    service.refer.callsFake(async (archive, { replaces }) => commit(archive, replaces));
    reapSoon.resetHistory();
    content = new SealedContent(
      { handle: 'v', workerName: 'w', store: 's3' },
      {
        volumes,
        archives: service,
        temporary: {
          workerName: 'w',
          volumes,
          caches: new FakeCacheRepository(),
          store: pods,
          newId: () => `pod${(ids += 1)}`,
          leaseMs: 1,
          copyExpiryMs: 900_000,
          retry: async (work) => await work(),
          clock,
          logger: silentLogger,
        },
        budgetMs: 60_000,
        reapSoon,
        clock,
      },
    );
  });

  /** The volumes in pods that were created, of which none may be left. */
  const temporary = (): number => {
    const inserted = volumes.insertArtifact.args.map(([{ handle }]) => handle);
    expect(volumes.expire.args.map(([, handle]) => handle)).to.have.members(inserted);
    return inserted.length;
  };

  context('without content', () => {
    it('sends an empty archive, and finds no file', async () => {
      for (const path of ['', '.', '/', './']) {
        const { kind, archive } = await content.send(path);
        expect(kind).to.equal('directory');
        expect(await buffer(archive)).to.deep.equal(Buffer.alloc(1024));
      }
      expect(await rejection(content.send('a/b'))).to.include({ code: 'KW_ERR_FILE_NOT_FOUND', path: 'a/b' });
      for (const path of ['..', 'a/../../b'])
        expect(await rejection(content.send(path))).to.include({ code: 'KW_ERR_UNSAFE_ARCHIVE_PATH' });
      expect(await rejection(content.send('a\0'))).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'path' });
    });

    it('writes the first archive straight to the store, without a pod', async () => {
      const isProven = () => true;
      const received = await content.receive('.', archiveOf({ a: '1' }), { expandedLimitBytes: 9, isProven });
      expect(received).to.deep.equal({ rawBytes: 9, digest: 'a1', entries: 7 });
      sinon.assert.calledOnceWithMatch(service.write, { handle: 'v' }, 's3', sinon.match.any, {
        expandedLimitBytes: 9,
        isProven,
      });
      expect(filesNow()).to.deep.equal({ a: '1' });
      expect(temporary()).to.equal(0);
    });

    it('packs an archive that is not plain again, and reports what the source gave', async () => {
      const received = await content.receive('.', archiveOf({ 'not-plain': '1' }));
      expect(received).to.include({ digest: 'a1', entries: 7 });
      expect(row!.archive!.id).not.to.equal('a1');
      expect(filesNow()).to.deep.equal({ 'not-plain': '1' });
      expect(temporary()).to.equal(1);
      sinon.assert.calledOnce(reapSoon);
    });

    it('opens a source that is a function again while the store is unavailable, within the budget', async () => {
      service.write.onFirstCall().rejects(new StoreUnavailableError({ store: 's3' }, 'away'));
      const source = sinon.spy(() => archiveOf({ a: '1' }));
      const receiving = content.receive('.', source);
      await settle();
      await clock.advance(100);
      await receiving;
      sinon.assert.calledTwice(source);
      expect(filesNow()).to.deep.equal({ a: '1' });
      row!.archive = undefined;
      service.write.rejects(new StoreUnavailableError({ store: 's3' }, 'away'));
      const failing = rejection(content.receive('.', source));
      for (let second = 0; second < 70; second += 1) await clock.advance(1_000);
      expect(await failing).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE' });
    });

    it('fails at once with a source that can be read once', async () => {
      service.write.rejects(new StoreUnavailableError({ store: 's3' }, 'away'));
      const error = await rejection(content.receive('.', archiveOf({ a: '1' })));
      expect(error).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE' });
      expect(filesNow()).to.equal(undefined);
    });

    it('has a pod for an archive of a folder', async () => {
      await content.receive('sub', archiveOf({ a: '1' }));
      sinon.assert.notCalled(service.write);
      expect(filesNow()).to.deep.equal({ 'sub/a': '1' });
      expect(temporary()).to.equal(1);
    });
  });

  context('with content', () => {
    beforeEach(() => {
      row!.archive = add({ a: 'old', b: 'old' });
    });

    it('sends its archive', async () => {
      expect(await json((await content.send('b')).archive)).to.deep.equal({ a: 'old', b: 'old' });
      sinon.assert.calledOnceWithMatch(service.open, row!.archive!, 'b');
      expect(await content.locate()).to.deep.equal({ handle: 'v', archive: row!.archive, service, open: undefined });
    });

    it('merges an archive into the content, under another archive', async () => {
      const before = row!.archive!;
      for (const path of ['.', 'sub']) await content.receive(path, archiveOf({ a: 'new' }));
      expect(filesNow()).to.deep.equal({ a: 'new', b: 'old', 'sub/a': 'new' });
      expect(archives.get(before.id)).to.deep.equal({ a: 'old', b: 'old' });
      expect(temporary()).to.equal(2);
    });

    it('stays as it is after a failure, of which nothing is left', async () => {
      pods.receive.rejects(new DiskFullError({ handle: 'pod', direction: 'in' }, 'full'));
      expect(await rejection(content.receive('.', archiveOf({})))).to.include({ code: 'KW_ERR_DISK_FULL' });
      pods.create.rejects(new Error('no pod'));
      expect(await rejection(content.receive('.', archiveOf({})))).to.include({ message: 'no pod' });
      expect(filesNow()).to.deep.equal({ a: 'old', b: 'old' });
      expect(temporary()).to.equal(2);
      sinon.assert.calledTwice(reapSoon);
    });

    it('is not changed once it is no longer live', async () => {
      row!.state = 'destroying';
      expect(await rejection(content.receive('.', archiveOf({})))).to.include({ code: 'KW_ERR_VOLUME_DISAPPEARED' });
      expect(await json((await content.send('.')).archive)).to.deep.equal({ a: 'old', b: 'old' });
      row = undefined;
      expect(await rejection(content.send('.'))).to.include({ code: 'KW_ERR_VOLUME_DISAPPEARED', handle: 'v' });
    });
  });

  context('when two calls change it at once', () => {
    /** Another call commits before each of the first saves. */
    const overtake = (times: number) => {
      service.save.callsFake(async ({ location, archive: before }) => {
        if (service.save.callCount <= times)
          row!.archive = add({ ...filesNow(), [`other${service.save.callCount}`]: '' });
        const archive = add({ ...places.get(location['at']!) });
        return { archive, isUnchanged: false, isContent: commit(archive, before?.id) };
      });
    };

    it('has both of two first archives, each of a source that can be read once', async () => {
      await Promise.all([content.receive('.', archiveOf({ a: '1' })), content.receive('.', archiveOf({ b: '2' }))]);
      expect(filesNow()).to.deep.equal({ a: '1', b: '2' });
      temporary();
    });

    it('has both, if the source of the slower one is a function', async () => {
      row!.archive = add({ a: 'old' });
      overtake(2);
      await content.receive('.', () => archiveOf({ a: 'new' }));
      expect(filesNow()).to.deep.equal({ a: 'new', other1: '', other2: '' });
      expect(temporary()).to.equal(3);
    });

    it('rejects the slower one if its source can be read once, and has only the other', async () => {
      row!.archive = add({ a: 'old' });
      overtake(1);
      const error = await rejection(content.receive('.', archiveOf({ a: 'new' })));
      expect(error).to.include({ code: 'KW_ERR_VOLUME_CHANGED', handle: 'v', retryable: true });
      expect(filesNow()).to.deep.equal({ a: 'old', other1: '' });
      temporary();
    });

    it('rejects a call that is overtaken again and again', async () => {
      row!.archive = add({ a: 'old' });
      overtake(1_000);
      const error = await rejection(content.receive('.', () => archiveOf({ a: 'new' })));
      expect(error).to.include({ code: 'KW_ERR_VOLUME_CHANGED' });
      expect(filesNow()).to.include({ a: 'old' });
      expect(temporary()).to.equal(5);
    });

    it('rejects with VolumeDisappearedError if the volume expires during the call', async () => {
      pods.receive.callsFake(async () => {
        row!.state = 'destroying';
        return { rawBytes: 1, digest: 'd', entries: 1 };
      });
      const error = await rejection(content.receive('sub', archiveOf({})));
      expect(error).to.include({ code: 'KW_ERR_VOLUME_DISAPPEARED', handle: 'v' });
    });
  });

  context('when it takes the content of another volume', () => {
    it('refers to an archive in its own store, and moves no byte', async () => {
      const archive = add({ a: '1' });
      expect(await content.take(elsewhere({ archive, open: { store: pods, location: place } }))).to.equal(archive);
      sinon.assert.calledOnceWithMatch(service.refer, archive, { handle: 'v', replaces: undefined });
      sinon.assert.notCalled(service.save);
      expect(filesNow()).to.deep.equal({ a: '1' });
    });

    it('saves content that is only in a pod, and leaves that volume as it is', async () => {
      const taken = await content.take(elsewhere({ archive: undefined, open: { store: pods, location: place } }));
      expect(taken).to.equal(row!.archive);
      sinon.assert.calledOnceWithMatch(service.save, { handle: 'v', location: place, archive: undefined }, 's3');
      expect(filesNow()).to.deep.equal({ output: 'text' });
    });

    it('copies the stored bytes of an archive in another store', async () => {
      const archive = add({ a: '1' }, 'pvc');
      const taken = await content.take(elsewhere({ archive, open: undefined }));
      expect(taken).to.equal(row!.archive);
      sinon.assert.calledOnceWithMatch(service.copy, archive, { handle: 'v', archive: undefined }, 's3', {
        budgetMs: 60_000,
      });
      expect(filesNow()).to.deep.equal({ a: '1' });
    });

    it('takes nothing of an archive that is lost, and rejects with other errors', async () => {
      const from = elsewhere({ archive: add({}, 'pvc'), open: { store: pods, location: place } });
      service.copy.rejects(new ArchiveMissingError({ store: 'pvc', key: 'k' }));
      expect(await content.take(from)).to.equal(undefined);
      const away = new StoreUnavailableError({ store: 'pvc' }, 'away');
      service.copy.rejects(away);
      expect(await rejection(content.take(from))).to.equal(away);
    });

    it('takes nothing without a short way, or if it has content already', async () => {
      const other = new FakeArtifactStore({ name: 'other' });
      const open = { store: pods, location: place };
      const foreign = elsewhere({ archive: add({}), open: undefined }, {});
      expect(await content.take(foreign), 'of another service').to.equal(undefined);
      const inOther = { archive: undefined, open: { store: other, location: place } };
      expect(await content.take(elsewhere(inOther))).to.equal(undefined);
      row!.archive = add({ a: '1' });
      expect(await content.take(elsewhere({ archive: add({}), open }))).to.equal(undefined);
      expect(await content.take(elsewhere({ archive: add({}, 'pvc'), open }))).to.equal(undefined);
      expect(await content.take(elsewhere({ archive: undefined, open }))).to.equal(undefined);
      expect(filesNow()).to.deep.equal({ a: '1' });
    });
  });
});
