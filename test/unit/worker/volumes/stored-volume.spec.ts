import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';
import sinon from 'sinon';

import { FakeArtifact, FakeArtifactStore, FakeVolumeRepository } from '../../../../fakes/index.ts';
import { RepositoryUnavailableError } from '../../../../src/errors/repository.ts';
import { CallsUnderWay } from '../../../../src/internal/calls-under-way.ts';
import { PodSupervisor, type PodSupervisorComponents } from '../../../../src/pods/pod-supervisor.ts';
import type {} from '../../../../src/repository/records.ts';
import type { VolumeKind } from '../../../../src/runtime/volume-query.ts';
import { knownSizeOf, StoredVolume } from '../../../../src/worker/volumes/stored-volume.ts';
import { rejection } from '../../../support/rejection.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { untraced } from '../../../support/untraced.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

describe('StoredVolume', () => {
  const content = { digest: 'a'.repeat(64), sizeBytes: 1024 };
  const received = { rawBytes: 1024, digest: content.digest, entries: 1 };
  const lease = { holder: 'me', generation: 7 };
  let volumes: FakeVolumeRepository;
  let store: FakeArtifactStore;
  let clock: VirtualClock;
  let streams: { open: sinon.SinonSpy };
  /** The handles of the streams that are open. */
  let open: Set<readonly string[]>;
  let held: Promise<void>;
  let calls: CallsUnderWay;
  const caches = { keepTaskCache: sinon.stub(), keepResourceCache: sinon.stub() };

  const volumeOf = (handle: string, sizeBytes?: number, kind: VolumeKind = 'output'): StoredVolume => {
    const timeouts = { startMs: 1, schedulingMs: 1, reconnectMs: 60_000 };
    const supervisor = new PodSupervisor({
      clock,
      logger: silentLogger,
      timeouts,
    } as unknown as PodSupervisorComponents);
    const record = { handle, workerName: 'w', kind, store: 'pod', location: { at: handle }, sizeBytes };
    return new StoredVolume(record, {
      volumes,
      store,
      streams,
      emit: () => undefined,
      tracing: untraced,
      retry: (work, options) => supervisor.retry(work, options),
      caches,
      holding: (work, options) => calls.run(work, options),
      archives: undefined,
      sealed: undefined,
      logger: silentLogger,
    });
  };

  beforeEach(() => {
    clock = new VirtualClock();
    open = new Set();
    held = Promise.resolve();
    streams = {
      open: sinon.spy((handles: readonly string[]) => {
        open.add(handles);
        return { held, close: async () => void open.delete(handles) };
      }),
    };
    calls = new CallsUnderWay();
    for (const stub of Object.values(caches)) stub.reset();
    volumes = new FakeVolumeRepository();
    store = new FakeArtifactStore({ name: 'pod' });
    store.copy.resolves(received);
    store.receive.callsFake(async (_location, _path, archive) => {
      for await (const _ of typeof archive === 'function' ? await archive() : archive) continue;
      return received;
    });
  });

  it('is filled under the lease of its container, in the store and in the database', async () => {
    await volumeOf('to').takeFrom(volumeOf('from'), { lease });
    sinon.assert.calledOnceWithMatch(store.copy, { at: 'from' }, { at: 'to' }, { generation: 7 });
    sinon.assert.calledOnceWithExactly(volumes.markReady, 'to', content, { holder: 'me' });
  });

  it('is filled under the lease also from an artifact of another kind', async () => {
    const artifact = new FakeArtifact({ handle: 'a', source: 'elsewhere' });
    artifact.streamOut.callsFake(async () => Readable.from([Buffer.alloc(1024)]));
    await volumeOf('to').takeFrom(artifact, { lease });
    sinon.assert.calledOnceWithMatch(store.receive, { at: 'to' }, '.', sinon.match.any, { generation: 7 });
    sinon.assert.calledOnceWithExactly(volumes.markReady, 'to', content, { holder: 'me' });
  });

  it('reports the bytes that the store has received, and resolves with their number', async () => {
    const progress = sinon.spy();
    const artifact = new FakeArtifact({ handle: 'a', source: 'elsewhere' });
    artifact.streamOut.callsFake(async () => Readable.from([Buffer.alloc(1024)]));
    for (const source of [volumeOf('from'), artifact])
      expect(await volumeOf('to').takeFrom(source, { progress })).to.include({ rawBytes: 1024 });
    sinon.assert.calledOnceWithMatch(store.copy, sinon.match.any, sinon.match.any, { progress });
    sinon.assert.calledOnceWithMatch(store.receive, sinon.match.any, '.', sinon.match.any, { progress });
  });

  it('has the size of its row, and then that of the last archive of its whole content', async () => {
    const volume = volumeOf('to', 512);
    expect(knownSizeOf(volume)).to.equal(512);
    await volume.streamIn('part', Readable.from([Buffer.alloc(1024)]));
    expect(knownSizeOf(volume)).to.equal(512);
    await volume.streamIn('.', Readable.from([Buffer.alloc(1024)]));
    expect(knownSizeOf(volume)).to.equal(1024);
    expect(knownSizeOf(volumeOf('other'))).to.equal(undefined);
    expect(knownSizeOf(new FakeArtifact())).to.equal(undefined);
  });

  it('keeps the received content during a database outage, and is ready afterwards', async () => {
    volumes.markReady.onFirstCall().rejects(new RepositoryUnavailableError('away'));
    const streaming = volumeOf('to').streamIn('.', Readable.from([Buffer.alloc(1024)]));
    await settle();
    await clock.advance(200);
    expect(await streaming).to.include({ rawBytes: 1024 });
    sinon.assert.calledOnce(store.receive);
    sinon.assert.calledTwice(volumes.markReady);
  });

  it('destroys the source of an invalid call, and sends no request', async () => {
    const source = Readable.from([Buffer.alloc(1024)]);
    const error = await rejection(volumeOf('to').streamIn('.', source, { limitBytes: -1 }));
    expect(error).to.have.property('code', 'KW_ERR_INVALID_SPEC');
    expect(source.destroyed).to.equal(true);
    sinon.assert.notCalled(store.receive);
  });

  context('while a transfer is under way', () => {
    const sends = (archive: Readable) => store.send.resolves({ kind: 'directory', archive });
    const endless = () => new Readable({ read() {} });

    it('has an open stream until the archive that it streams out is closed', async () => {
      for (const encoding of ['raw', 'gzip'] as const) {
        const source = new PassThrough();
        sends(source);
        const archive = await volumeOf('v').streamOut('.', { encoding });
        await settle();
        expect([...open], encoding).to.deep.equal([['v']]);
        source.end(Buffer.alloc(1024));
        await buffer(archive);
        await settle();
        expect(open.size, encoding).to.equal(0);
      }
    });

    it('has one until a reader that stops early destroys the archive', async () => {
      sends(endless());
      const archive = await volumeOf('v').streamOut('.');
      expect(open.size).to.equal(1);
      archive.destroy();
      await settle();
      expect(open.size).to.equal(0);
    });

    it('gives no archive before the stream is recorded, and opens both at the same time', async () => {
      const recorded = Promise.withResolvers<void>();
      held = recorded.promise;
      sends(endless());
      let archive: Readable | undefined;
      const opening = volumeOf('v')
        .streamOut('.')
        .then((opened) => (archive = opened));
      await settle();
      sinon.assert.calledOnce(store.send);
      expect(archive).to.equal(undefined);
      recorded.resolve();
      await opening;
      expect(archive!.listenerCount('error')).to.equal(0);
      archive!.destroy();
    });

    it('rejects with the error of an archive that fails before the stream is recorded', async () => {
      const recorded = Promise.withResolvers<void>();
      held = recorded.promise;
      const failing = endless();
      sends(failing);
      const opening = rejection(volumeOf('v').streamOut('.'));
      await settle();
      failing.destroy(new Error('lost'));
      await settle();
      recorded.resolve();
      expect(await opening).to.include({ message: 'lost' });
      expect(open.size).to.equal(0);
    });

    it('has none left after an archive that does not open', async () => {
      store.send.rejects(new Error('nothing there'));
      expect(await rejection(volumeOf('v').streamOut('x'))).to.include({ message: 'nothing there' });
      expect(await rejection(volumeOf('v').readFile('x'))).to.include({ message: 'nothing there' });
      expect(open.size).to.equal(0);
    });

    it('has one while a file is read, and none when the call ends', async () => {
      sends(endless());
      const abort = new AbortController();
      const reading = rejection(volumeOf('v').readFile('x', { signal: abort.signal }));
      await settle();
      expect(streams.open.args).to.deep.equal([[['v']]]);
      expect(await reading).to.include({ code: 'KW_ERR_PATH_CONFLICT' });
      expect(open.size).to.equal(0);
    });

    it('has one while an archive is streamed in, also if that fails', async () => {
      let during: readonly (readonly string[])[] = [];
      store.receive.callsFake(async () => {
        during = [...open];
        throw new Error('disk full');
      });
      const error = await rejection(volumeOf('to').streamIn('.', () => Readable.from([Buffer.alloc(1024)])));
      expect(error).to.include({ message: 'disk full' });
      expect(during).to.deep.equal([['to']]);
      expect(open.size).to.equal(0);
    });

    it('has none for an invalid call, and none of its own while it is filled under a lease', async () => {
      await rejection(volumeOf('to').streamIn('.', Readable.from([]), { limitBytes: -1 }));
      await volumeOf('to').takeFrom(volumeOf('from'), { lease });
      sinon.assert.notCalled(streams.open);
    });
  });

  it('stops retrying with the reason of the signal', async () => {
    volumes.markReady.rejects(new RepositoryUnavailableError('away'));
    const abort = new AbortController();
    const streaming = rejection(
      volumeOf('to').streamIn('.', Readable.from([Buffer.alloc(1024)]), { signal: abort.signal }),
    );
    await settle();
    abort.abort(new Error('enough'));
    expect(await streaming).to.include({ message: 'enough' });
  });

  describe('as a cache', () => {
    const key = { job: 'j', step: 's', path: '/c' };
    const calling: Readonly<Record<string, (volume: StoredVolume, options: object) => Promise<unknown>>> = {
      initializeTaskCache: (volume, options) => volume.initializeTaskCache(key, options),
      initializeResourceCache: (volume, options) => volume.initializeResourceCache('k', options),
      initializeStreamedResourceCache: (volume, options) =>
        volume.initializeStreamedResourceCache('k', { source: 'v-0', ...options }),
    };

    for (const [name, call] of Object.entries(calling)) {
      it(`passes its place and the options to the caches: ${name}`, async () => {
        const keep = name === 'initializeTaskCache' ? caches.keepTaskCache : caches.keepResourceCache;
        for (const kind of ['artifact', 'output'] as const) {
          await call(volumeOf('v', undefined, kind), { ttlMs: 5 });
          const [source, found, options] = keep.lastCall.args as [object, unknown, object];
          expect(source).to.deep.include({
            handle: 'v',
            isArtifact: kind === 'artifact',
            archive: undefined,
            open: { store, location: { at: 'v' } },
          });
          expect(found).to.equal(name === 'initializeTaskCache' ? key : 'k');
          expect(options).to.include({ ttlMs: 5 });
        }
      });

      it(`is aborted by the end of the worker: ${name}`, async () => {
        for (const keep of Object.values(caches))
          keep.callsFake(async (_source, _key, { signal }: { signal: AbortSignal }) => {
            signal.throwIfAborted();
            await new Promise((_resolve, reject) =>
              signal.addEventListener('abort', () => reject(signal.reason as Error)),
            );
          });
        const ended = rejection(call(volumeOf('v'), {}));
        await calls.close(new Error('closed'));
        expect(await ended).to.include({ message: 'closed' });
      });

      it(`refuses unknown options and an invalid time to live: ${name}`, async () => {
        for (const [field, options] of Object.entries({ ttlMs: { ttlMs: 0 }, ttl: { ttl: 1 } }))
          expect(await rejection(call(volumeOf('v'), options))).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
        sinon.assert.notCalled(caches.keepTaskCache);
        sinon.assert.notCalled(caches.keepResourceCache);
      });
    }
  });
});
