import { Readable } from 'node:stream';

import { expect } from 'chai';
import sinon from 'sinon';

import type { ArchiveTransfers, GivenArchive } from '../../../src/archives/archive-transfers.ts';
import { Archives, type ArchivesComponents } from '../../../src/archives/archives.ts';
import { LeaseLostError, RepositoryUnavailableError, StoreNotConfiguredError } from '../../../src/errors/repository.ts';
import { StoreDeniedError, StoreUnavailableError } from '../../../src/errors/store.ts';
import { DiskFullError } from '../../../src/errors/transfer.ts';
import type { ArchiveReference } from '../../../src/repository/records.ts';
import { retry, waitIfRetryable } from '../../../src/retry/retry.ts';
import { RetryPace } from '../../../src/retry/retry-pace.ts';
import type { AbortOptions } from '../../../src/runtime/options.ts';
import type { ArchiveReport } from '../../../src/telemetry/archive-metrics.ts';
import { MemoryArchiveRepository } from '../../support/archives/memory-archive-repository.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const digest = 'd'.repeat(64);
const content = { rawBytes: 2048, digest, storedBytes: 5, storedDigest: 'e'.repeat(64) };
const location = { pod: 'p', owner: 'c', volume: 'v' };
const leaseMs = 60_000;
const budgetMs = 300_000;
const away = new StoreUnavailableError({ store: 'memory' }, 'no answer');
const idOf = (count: number): string => `aa00000${count}-0000-4000-8000-000000000000`;
const keyOf = (count: number, attempt: number): string => `inst/aa/${idOf(count)}-${attempt}.tar.zst`;

describe('Archives', () => {
  let clock: VirtualClock;
  let rows: MemoryArchiveRepository;
  let store: MemoryArchiveStore;
  let transfers: Record<keyof ArchiveTransfers, sinon.SinonStub>;
  let pods: { digestOf: sinon.SinonStub; sendFrames: sinon.SinonStub; receiveFrames: sinon.SinonStub };
  let reports: Omit<ArchiveReport, 'durationMs'>[];
  let archives: Archives;

  /** The service of one host on the same rows and store. */
  const host = (more: Partial<ArchivesComponents> = {}): Archives => {
    let archiveIds = 0;
    return new Archives({
      workerName: 'w',
      installationId: 'inst',
      archives: rows,
      transfers,
      stores: new Map([[store.name, store]]),
      pods,
      retry: (work, options) =>
        retry(work, {
          ...options,
          pace: new RetryPace({ clock, backoff: { firstMs: 10, longestMs: 10 }, budgetMs: 1_000 }),
          decide: waitIfRetryable,
        }),
      // The holder comes first, then the archive.
      newId: () => idOf((archiveIds += 1)),
      leaseMs,
      readBudgetMs: 1_000,
      clock,
      logger: silentLogger,
      observer: ({ durationMs: _, ...report }) => reports.push(report),
      ...more,
    });
  };
  const volume = (archive?: ArchiveReference) => ({ handle: 'v', location, archive });
  const writes = async (_store: unknown, key: string, _source: unknown, { signal }: AbortOptions): Promise<unknown> => {
    await store.write(key, Readable.from([Buffer.from('bytes')]), { signal });
    return content;
  };
  /** A write that ends only with its signal. */
  const hangs = (_store: unknown, _key: string, _source: unknown, { signal }: AbortOptions): Promise<never> =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
  const states = (): string[] => [...rows.rows.values()].map(({ state }) => state);

  beforeEach(() => {
    clock = new VirtualClock();
    rows = new MemoryArchiveRepository(clock);
    store = new MemoryArchiveStore();
    const stub = () => sinon.stub();
    transfers = {
      save: sinon.stub().callsFake(writes),
      write: stub(),
      load: stub(),
      open: stub(),
      copy: stub(),
      relay: stub(),
    };
    pods = { digestOf: stub().resolves({ rawBytes: 2048, digest }), sendFrames: stub(), receiveFrames: stub() };
    reports = [];
    archives = host();
  });

  it('store() throws StoreNotConfiguredError for a name that is not configured', () => {
    expect(() => archives.store('s3')).to.throw(StoreNotConfiguredError);
  });

  describe('save()', () => {
    it('writes the first attempt, and commits it as the content of the volume', async () => {
      const saved = await archives.save(volume(), 'memory', { budgetMs });
      expect(saved).to.deep.equal({
        archive: { id: idOf(2), store: 'memory', key: keyOf(2, 1), ...content },
        isUnchanged: false,
        isContent: true,
      });
      expect([...store.archives.keys()]).to.deep.equal([keyOf(2, 1)]);
      expect(rows.volumes.get('v')).to.equal(idOf(2));
      sinon.assert.notCalled(pods.digestOf);
      expect(reports).to.deep.equal([{ store: 'memory', direction: 'in', outcome: 'OK', bytes: 5 }]);
    });

    it('moves no bytes if the content equals the archive of the volume', async () => {
      const { archive } = await archives.save(volume(), 'memory', { budgetMs });
      const saved = await archives.save(volume(archive), 'memory', { budgetMs });
      expect(saved).to.deep.equal({ archive, isUnchanged: true, isContent: true });
      sinon.assert.calledOnce(transfers.save);
      expect(reports[1]).to.deep.equal({ store: 'memory', direction: 'in', outcome: 'UNCHANGED', bytes: 0 });
    });

    it('refers to a candidate with the same content', async () => {
      const { archive } = await archives.save({ ...volume(), handle: 'other' }, 'memory', { budgetMs });
      await archives.save(volume(), 'memory', { budgetMs, candidates: [archive] });
      sinon.assert.calledOnce(transfers.save);
      expect(rows.volumes.get('v')).to.equal(archive.id);
    });

    it('refers to an archive of what the volume has received, if the content is still that', async () => {
      const { archive } = await archives.save({ ...volume(), handle: 'other' }, 'memory', { budgetMs });
      const saved = await archives.save({ ...volume(), received: { rawBytes: 2048, digest } }, 'memory', { budgetMs });
      expect(saved).to.deep.equal({ archive, isUnchanged: true, isContent: true });
      sinon.assert.calledOnce(transfers.save);
      expect(rows.volumes.get('v')).to.equal(archive.id);
    });

    it('writes what has changed since the volume has received it', async () => {
      const { archive } = await archives.save({ ...volume(), handle: 'other' }, 'memory', { budgetMs });
      pods.digestOf.resolves({ rawBytes: 2048, digest: 'f'.repeat(64) });
      const saved = await archives.save({ ...volume(), received: { rawBytes: 2048, digest } }, 'memory', { budgetMs });
      expect(saved.isUnchanged).to.equal(false);
      expect(rows.volumes.get('v')).to.equal(saved.archive.id).and.not.equal(archive.id);
    });

    it('reads the volume only if the store has an archive of what the volume has received', async () => {
      await archives.save({ ...volume(), received: { rawBytes: 2048, digest } }, 'memory', { budgetMs });
      sinon.assert.notCalled(pods.digestOf);
      sinon.assert.calledOnce(transfers.save);
    });

    it('writes the volume if the archive of what it received is deleted during the call', async () => {
      const { archive } = await archives.save({ ...volume(), handle: 'other' }, 'memory', { budgetMs });
      pods.digestOf.callsFake(async () => {
        rows.rows.get(archive.id)!.state = 'destroying';
        return { rawBytes: 2048, digest };
      });
      const saved = await archives.save({ ...volume(), received: { rawBytes: 2048, digest } }, 'memory', { budgetMs });
      expect(saved).to.deep.include({ isUnchanged: false, isContent: true });
      expect(rows.volumes.get('v')).to.equal(saved.archive.id).and.not.equal(archive.id);
    });

    it('writes the volume if its content has changed', async () => {
      const { archive } = await archives.save(volume(), 'memory', { budgetMs });
      pods.digestOf.resolves({ rawBytes: 2048, digest: 'f'.repeat(64) });
      const saved = await archives.save(volume(archive), 'memory', { budgetMs });
      expect(saved.isUnchanged).to.equal(false);
      expect(rows.volumes.get('v')).to.equal(saved.archive.id);
    });

    it('reports that another call has changed the content of the volume', async () => {
      rows.volumes.set('v', 'of-another-process');
      const saved = await archives.save(volume(), 'memory', { budgetMs });
      expect(saved.isContent).to.equal(false);
      expect(rows.volumes.get('v')).to.equal('of-another-process');
    });

    it('repeats an attempt under a new key, and deletes what the failed one has left', async () => {
      transfers.save.onFirstCall().callsFake(async (...args: Parameters<typeof writes>) => {
        await writes(...args);
        throw away;
      });
      const retrying = sinon.spy();
      const saving = archives.save(volume(), 'memory', { budgetMs, retrying });
      await clock.advance(1_000);
      expect((await saving).archive.key).to.equal(keyOf(2, 2));
      expect([...store.archives.keys()]).to.deep.equal([keyOf(2, 2)]);
      sinon.assert.calledOnceWithExactly(retrying, away);
    });

    context('when the store is full', () => {
      const full = new DiskFullError({}, 'no space left');
      const freeing = (freedBytes: number) => sinon.stub().resolves(freedBytes);

      beforeEach(() => {
        pods.digestOf.resolves({ digest, rawBytes: 2048 });
        transfers.save.onFirstCall().rejects(full);
      });

      it('frees the size of the volume, and repeats the attempt under a new key', async () => {
        const freeSpace = freeing(10);
        const { archive } = await host({ freeSpace }).save(volume(), 'memory', { budgetMs });
        sinon.assert.calledOnceWithMatch(freeSpace, 'memory', 2048);
        expect(archive.key).to.match(/-2\.tar\.zst$/);
      });

      it('repeats it once only', async () => {
        transfers.save.rejects(full);
        const freeSpace = freeing(10);
        expect(await rejection(host({ freeSpace }).save(volume(), 'memory', { budgetMs }))).to.equal(full);
        sinon.assert.calledOnce(freeSpace);
        sinon.assert.calledTwice(transfers.save);
      });

      it('rejects if nothing can be freed', async () => {
        expect(await rejection(host({ freeSpace: freeing(0) }).save(volume(), 'memory', { budgetMs }))).to.equal(full);
        transfers.save.rejects(full);
        expect(await rejection(archives.save(volume(), 'memory', { budgetMs }))).to.equal(full);
        sinon.assert.calledTwice(transfers.save);
      });
    });

    it('leaves the volume as it is if the save is detached', async () => {
      const saved = await archives.save(volume(), 'memory', { budgetMs, isDetached: true });
      expect(saved).to.include({ isUnchanged: false });
      expect(rows.volumes.get('v')).to.equal(undefined);
      pods.digestOf.resolves({ digest, rawBytes: 2048 });
      const again = { budgetMs, isDetached: true, candidates: [saved.archive] };
      expect(await archives.save(volume(), 'memory', again)).to.include({ isUnchanged: true, isContent: false });
      expect(rows.volumes.get('v')).to.equal(undefined);
    });

    it('rejects with the error of the store, and abandons the archive, when the budget is spent', async () => {
      transfers.save.rejects(away);
      const failing = rejection(archives.save(volume(), 'memory', { budgetMs: 10_000 }));
      await clock.advance(10_000);
      expect(await failing).to.equal(away);
      expect(states()).to.deep.equal(['destroying']);
      expect(reports[0]?.outcome).to.equal('STORE_UNAVAILABLE');
    });

    it('abandons the archive after an error that is final', async () => {
      const denied = new StoreDeniedError({ store: 'memory' }, 'put', 'no');
      transfers.save.rejects(denied);
      expect(await rejection(archives.save(volume(), 'memory', { budgetMs }))).to.equal(denied);
      expect(states()).to.deep.equal(['destroying']);
    });

    it('commits again after an outage of the database', async () => {
      const commit = sinon.stub(rows, 'commit').callThrough();
      commit.onFirstCall().rejects(new RepositoryUnavailableError('away'));
      const saving = archives.save(volume(), 'memory', { budgetMs });
      await clock.advance(100);
      expect((await saving).isContent).to.equal(true);
      sinon.assert.calledOnce(transfers.save);
    });

    it('stops and abandons the archive when the signal aborts', async () => {
      transfers.save.callsFake(hangs);
      const stop = new AbortController();
      const stopped = rejection(archives.save(volume(), 'memory', { budgetMs, signal: stop.signal }));
      await settle();
      const reason = new Error('stopped');
      stop.abort(reason);
      expect(await stopped).to.equal(reason);
      expect(states()).to.deep.equal(['destroying']);
      expect(clock.sleeping).to.equal(0);
      expect(reports[0]?.outcome).to.equal('CANCELLED');
    });

    it('stops with LeaseLostError when the reaper has taken the archive', async () => {
      transfers.save.callsFake(hangs);
      const failing = rejection(archives.save(volume(), 'memory', { budgetMs }));
      await settle();
      for (const row of rows.rows.values()) row.state = 'destroying';
      await clock.advance(leaseMs / 3);
      expect(await failing).to.be.instanceOf(LeaseLostError);
    });

    context('when another host saves under the same purpose', () => {
      const purpose = 'output:v:task';

      it('waits for its result, and writes nothing', async () => {
        const free = Promise.withResolvers<void>();
        transfers.save.callsFake(async (...args: Parameters<typeof writes>) => {
          await free.promise;
          return await writes(...args);
        });
        const first = archives.save(volume(), 'memory', { budgetMs, purpose });
        await settle();
        const second = host().save(volume(), 'memory', { budgetMs, purpose });
        await clock.advance(1_000);
        free.resolve();
        const { archive } = await first;
        await clock.advance(1_000);
        expect(await second).to.deep.equal({ archive, isUnchanged: true, isContent: true });
        sinon.assert.calledOnce(transfers.save);
      });

      it('takes over with the next attempt when its lease lapses', async () => {
        await rows.begin({
          id: idOf(9),
          workerName: 'w',
          store: 'memory',
          purpose,
          lease: { holder: 'dead', durationMs: leaseMs },
        });
        const saving = archives.save(volume(), 'memory', { budgetMs, purpose });
        await clock.advance(leaseMs - 1_000);
        sinon.assert.notCalled(transfers.save);
        await clock.advance(2_000);
        expect((await saving).archive.key).to.equal(keyOf(9, 2));
      });

      it('writes an archive of its own after that host has abandoned its archive', async () => {
        const dead = { holder: 'dead', durationMs: leaseMs };
        await rows.begin({ id: idOf(9), workerName: 'w', store: 'memory', purpose, lease: dead });
        const saving = archives.save(volume(), 'memory', { budgetMs, purpose });
        await settle();
        await rows.abandon(idOf(9), 'dead');
        await clock.advance(1_000);
        expect((await saving).isContent).to.equal(true);
      });
    });
  });

  describe('write()', () => {
    const given: GivenArchive = { ...content, entries: 3, expandedBytes: 7, isPlain: true };
    const bytes = Readable.from([]);
    const target = { handle: 'v', archive: undefined };

    it('makes a plain archive the content of the volume', async () => {
      transfers.write.resolves(given);
      const written = await archives.write(target, 'memory', bytes, { expandedLimitBytes: 9 });
      expect(written).to.deep.include({ entries: 3, isPlain: true, isContent: true });
      expect(rows.volumes.get('v')).to.equal(written.archive.id);
      sinon.assert.calledOnceWithMatch(transfers.write, store, keyOf(2, 1), bytes, { expandedLimitBytes: 9 });
    });

    it('leaves an archive that is not plain without a reference', async () => {
      transfers.write.resolves({ ...given, isPlain: false });
      expect(await archives.write(target, 'memory', bytes, {})).to.include({ isPlain: false, isContent: false });
      expect(rows.volumes.has('v')).to.equal(false);
      expect(states()).to.deep.equal(['ready']);
    });

    it('does not repeat a write, because its source can be read only once', async () => {
      transfers.write.rejects(away);
      expect(await rejection(archives.write(target, 'memory', bytes, {}))).to.equal(away);
      sinon.assert.calledOnce(transfers.write);
      expect(states()).to.deep.equal(['destroying']);
    });
  });

  describe('copy()', () => {
    const source: ArchiveReference = { id: idOf(9), store: 'other', key: keyOf(9, 1), ...content };
    const target = { handle: 'v', archive: undefined };
    const other = new MemoryArchiveStore({ name: 'other' });
    const between = (more: Partial<ArchivesComponents> = {}): Archives =>
      host({ stores: new Map([other, store].map((each) => [each.name, each])), ...more });

    beforeEach(() => {
      transfers.copy.resolves(content);
    });

    it('writes the stored bytes of the other store to a key, and makes them the content', async () => {
      const copied = await between().copy(source, target, 'memory', { budgetMs });
      const archive = { id: idOf(2), store: 'memory', key: keyOf(2, 1), ...content };
      expect(copied).to.deep.equal({ archive, isUnchanged: false, isContent: true });
      const from = { store: other, archive: source };
      sinon.assert.calledOnceWithMatch(transfers.copy, from, { store, key: keyOf(2, 1) });
      expect(rows.volumes.get('v')).to.equal(archive.id);
      expect(reports).to.deep.equal([
        { store: 'other', direction: 'out', outcome: 'OK', bytes: 5 },
        { store: 'memory', direction: 'in', outcome: 'OK', bytes: 5 },
      ]);
    });

    it('moves no bytes if the store has an archive of the content', async () => {
      const { archive } = await between().save({ ...volume(), handle: 'saved' }, 'memory', { budgetMs });
      const copied = await between().copy(source, target, 'memory', { budgetMs });
      expect(copied).to.deep.equal({ archive, isUnchanged: true, isContent: true });
      sinon.assert.notCalled(transfers.copy);
      expect(rows.volumes.get('v')).to.equal(archive.id);
      expect(reports[1]).to.deep.equal({ store: 'memory', direction: 'in', outcome: 'UNCHANGED', bytes: 0 });
    });

    it('writes the bytes if that archive is deleted meanwhile', async () => {
      await between().save({ ...volume(), handle: 'saved' }, 'memory', { budgetMs });
      const refer = sinon.stub(rows, 'refer').resolves(false);
      const copied = await between().copy(source, target, 'memory', { budgetMs });
      sinon.assert.calledOnce(refer);
      expect(copied).to.deep.include({ isUnchanged: false, isContent: true });
    });

    it('repeats an attempt under a new key while one of the stores is unavailable', async () => {
      transfers.copy.onFirstCall().rejects(away);
      const copying = between().copy(source, target, 'memory', { budgetMs });
      await clock.advance(10_000);
      expect((await copying).archive.key).to.equal(keyOf(2, 2));
    });

    it('frees the stored size of the archive if the store is full', async () => {
      transfers.copy.onFirstCall().rejects(new DiskFullError({}, 'full'));
      const freeSpace = sinon.stub().resolves(10);
      await between({ freeSpace }).copy(source, target, 'memory', { budgetMs });
      sinon.assert.calledOnceWithMatch(freeSpace, 'memory', 5);
    });
  });

  describe('load() and open()', () => {
    const archive: ArchiveReference = { id: idOf(1), store: 'memory', key: keyOf(1, 1), ...content };

    it('load() unpacks into the place under the fence, and records the use', async () => {
      const received = { rawBytes: 2048, digest, entries: 1 };
      transfers.load.resolves(received);
      expect(await archives.load(archive, location, { generation: 7 })).to.equal(received);
      sinon.assert.calledOnceWithMatch(transfers.load, store, archive, { pods, location }, { generation: 7 });
      expect(rows.touched).to.deep.equal([archive.id]);
      expect(reports).to.deep.equal([{ store: 'memory', direction: 'out', outcome: 'OK', bytes: 5 }]);
    });

    it('load() repeats while the store is unavailable, within the budget', async () => {
      transfers.load.rejects(away);
      const failing = rejection(archives.load(archive, location));
      await clock.advance(1_000);
      expect(await failing).to.equal(away);
      expect(transfers.load.callCount).to.be.greaterThan(2);
    });

    it('open() reports the bytes when the archive was read to its end', async () => {
      transfers.open.resolves({ kind: 'directory', archive: Readable.from([Buffer.from('tar')]) });
      const sent = await archives.open(archive, '.');
      expect(reports).to.deep.equal([]);
      sent.archive.resume();
      await settle();
      expect(reports).to.deep.equal([{ store: 'memory', direction: 'out', outcome: 'OK', bytes: 5 }]);
    });
  });
});
