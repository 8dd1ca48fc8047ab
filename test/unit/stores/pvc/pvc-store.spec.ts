import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';
import sinon from 'sinon';

import { ClosedError } from '../../../../src/errors/caller.ts';
import { AdmissionDeniedError, ForbiddenError } from '../../../../src/errors/cluster.ts';
import { PodDeletedError, PodEvictedError } from '../../../../src/errors/pod.ts';
import { OutcomeUnknownError } from '../../../../src/errors/process.ts';
import { StoreNotConfiguredError } from '../../../../src/errors/repository.ts';
import {
  DigestMismatchError,
  DiskFullError,
  FileNotFoundError,
  NotPermittedError,
  OperationLostError,
  TransferStalledError,
  VolumeIoError,
} from '../../../../src/errors/transfer.ts';
import { type ClaimArchives, PvcStore } from '../../../../src/stores/pvc/pvc-store.ts';
import { rejection } from '../../../support/rejection.ts';
import { allOf } from '../../../support/stores/archive-bytes.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

const key = 'i/00/a-1.tar.zst';
const podFacts = { namespace: 'ci', podName: 'store-data' };
const facts = { podName: 'store-data', path: key };
const apiFacts = { verb: 'create', resource: 'pods', namespace: 'ci' };

describe('PvcStore', () => {
  let clock: VirtualClock;
  let archives: Record<keyof ClaimArchives, sinon.SinonStub>;
  let pod: { archives: sinon.SinonStub; guard: sinon.SinonStub; close: sinon.SinonStub };
  /** The guards that were not disposed of. */
  let guards: Set<AbortController>;
  let store: PvcStore;

  beforeEach(() => {
    clock = new VirtualClock();
    archives = {
      write: sinon.stub(),
      read: sinon.stub(),
      delete: sinon.stub(),
      list: sinon.stub(),
      usage: sinon.stub(),
    };
    guards = new Set();
    const guard = ({ signal }: { signal?: AbortSignal }) => {
      const gone = new AbortController();
      guards.add(gone);
      return {
        signal: signal === undefined ? gone.signal : AbortSignal.any([signal, gone.signal]),
        [Symbol.dispose]: () => void guards.delete(gone),
      };
    };
    pod = { archives: sinon.stub().resolves(archives), guard: sinon.stub().callsFake(guard), close: sinon.stub() };
    store = new PvcStore({ name: 'pvc', pod, probeKey: () => 'i/ff/p-1.tar.zst', clock, retryBudgetMs: 60_000 });
  });

  afterEach(() => {
    expect(guards.size, 'guards').to.equal(0);
  });

  /** As the agent's client does: reads the source to its end. */
  async function readAll(_key: string, bytes: AsyncIterable<Uint8Array>): Promise<object> {
    return { bytes: (await buffer(bytes)).length, sha256: 'abc' };
  }

  async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
    for (const text of texts) yield await Promise.resolve(Buffer.from(text));
  }

  it('writes through the agent, and resolves with its size and digest', async () => {
    archives.write.callsFake(readAll);
    expect(await store.write(key, chunks('ab', 'c'))).to.deep.equal({ storedBytes: 3, storedDigest: 'abc' });
  });

  for (const [what, error, expected] of [
    ['a full file system', new DiskFullError(facts, 'ENOSPC'), { code: 'KW_ERR_DISK_FULL', store: 'pvc', path: key }],
    [
      'a file system that is read-only',
      new NotPermittedError(facts, 'open: EROFS'),
      { code: 'KW_ERR_STORE_DENIED', store: 'pvc', key, right: 'write' },
    ],
    ['an I/O error', new VolumeIoError(facts, 'EIO'), { code: 'KW_ERR_STORE_UNAVAILABLE', store: 'pvc', key }],
    ['a hung file system', new TransferStalledError(facts, 1), { code: 'KW_ERR_STORE_UNAVAILABLE', retryable: true }],
    ['a lost connection', new OperationLostError(facts, 'cut'), { code: 'KW_ERR_STORE_UNAVAILABLE', retryable: true }],
    [
      'an unknown outcome',
      new OutcomeUnknownError('the write', 'x'),
      { code: 'KW_ERR_STORE_UNAVAILABLE', retryable: true },
    ],
    ['an eviction', new PodEvictedError(podFacts), { code: 'KW_ERR_STORE_UNAVAILABLE', retryable: true }],
    ['an invalid state of the library', new ClosedError('worker'), { code: 'KW_ERR_CLOSED' }],
  ] as const)
    it(`rejects a write with ${expected.code} after ${what}, and ends the source`, async () => {
      archives.write.rejects(error);
      const source = Readable.from(chunks('a', 'b'));
      expect(await rejection(store.write(key, source))).to.include(expected);
      expect(source.destroyed).to.equal(true);
    });

  for (const [error, expected] of [
    [new ForbiddenError(apiFacts, 'no'), { code: 'KW_ERR_STORE_DENIED', right: 'create pods' }],
    [new AdmissionDeniedError(apiFacts, 'no'), { code: 'KW_ERR_STORE_DENIED', right: 'create pods' }],
    [new StoreNotConfiguredError('pvc', 'no claim'), { code: 'KW_ERR_STORE_NOT_CONFIGURED' }],
  ] as const)
    it(`rejects with ${expected.code} if the store pod cannot start with ${error.code}`, async () => {
      pod.archives.rejects(error);
      const source = Readable.from(chunks('a'));
      expect(await rejection(store.write(key, source))).to.include(expected);
      expect(source.destroyed).to.equal(true);
      expect(await rejection(store.probe())).to.include(expected);
    });

  it("rejects with the source's own error, also if it looks like one of the store pod", async () => {
    archives.write.callsFake(readAll);
    const failure = new PodDeletedError({ ...podFacts, podName: 'producer' });
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* chunks('a');
      throw failure;
    }
    expect(await rejection(store.write(key, failing()))).to.equal(failure);
  });

  it('rejects a write when the store pod ends, without waiting for the connection', async () => {
    archives.write.callsFake(
      async (_key: string, bytes: AsyncIterable<Uint8Array>, { signal }: { signal: AbortSignal }) => {
        bytes[Symbol.asyncIterator]();
        return await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        );
      },
    );
    const writing = rejection(store.write(key, chunks('a')));
    await settle();
    for (const guard of guards) guard.abort(new PodDeletedError(podFacts));
    expect(await writing).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE', store: 'pvc', key });
  });

  it('runs an operation again, with the next pod, if its pod has ended, and a write only while its source is closed', async () => {
    const ended = new PodDeletedError(podFacts);
    archives.delete.onFirstCall().rejects(ended);
    archives.delete.onSecondCall().resolves(true);
    expect(await store.delete(key)).to.equal(true);
    archives.write.onFirstCall().rejects(ended);
    archives.write.onSecondCall().callsFake(async (_key: string, bytes: AsyncIterable<Uint8Array>) => {
      await readAll(key, bytes);
      throw ended;
    });
    expect(await rejection(store.write(key, chunks('a')))).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE' });
    sinon.assert.calledTwice(archives.write);
    expect(pod.archives.callCount).to.equal(4);
  });

  it('takes a chunk before it asks for the next one', async () => {
    const reused = Buffer.from('a');
    async function* source(): AsyncGenerator<Uint8Array> {
      yield reused;
      reused[0] = 0x62;
      yield await Promise.resolve(reused);
    }
    let received = '';
    archives.write.callsFake(async (_key: string, bytes: AsyncIterable<Uint8Array>) => {
      const parts: Uint8Array[] = [];
      for await (const part of bytes) parts.push(part);
      received = Buffer.concat(parts).toString();
      return { bytes: 2, sha256: 'abc' };
    });
    await store.write(key, source());
    expect(received).to.equal('ab');
  });

  describe('a read', () => {
    /** A stream that yields the text, and then fails or ends. */
    const failsAfter = (text: string, error?: Error): Readable =>
      Readable.from(
        (async function* () {
          if (text !== '') yield Buffer.from(text);
          await settle();
          if (error !== undefined) throw error;
        })(),
        { objectMode: false },
      );
    const advance = async (ms: number): Promise<void> => {
      for (let turn = 0; turn < 20; turn += 1) await clock.advance(ms / 20);
    };
    const readAt = (offset: number) => archives.read.withArgs(key, sinon.match({ offset }));

    it('continues at its offset after the store pod was made again', async () => {
      readAt(2).resolves(failsAfter('cd', new PodDeletedError(podFacts)));
      const again = readAt(4);
      again.onFirstCall().rejects(new OperationLostError(facts, 'cut'));
      again.onSecondCall().resolves(failsAfter('ef'));
      const reading = buffer(await store.read(key, { offset: 2 }));
      await advance(5_000);
      expect((await reading).toString()).to.equal('cdef');
    });

    it('fails after the budget without progress, with the last failure', async () => {
      readAt(0)
        .onFirstCall()
        .resolves(failsAfter('ab', new PodEvictedError(podFacts)));
      readAt(2).rejects(new PodDeletedError(podFacts));
      const reading = rejection(buffer(await store.read(key)));
      await advance(100_000);
      expect(await reading).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE', store: 'pvc', key });
    });

    it('rejects with ArchiveMissingError if there is no file', async () => {
      archives.read.rejects(new FileNotFoundError(facts));
      expect(await rejection(store.read(key))).to.include({ code: 'KW_ERR_ARCHIVE_MISSING', store: 'pvc', key });
    });

    it('fails with ArchiveMissingError if the file is removed before it continues', async () => {
      readAt(0).resolves(failsAfter('ab', new VolumeIoError(facts, 'ESTALE')));
      readAt(2).rejects(new FileNotFoundError(facts));
      const reading = rejection(buffer(await store.read(key)));
      await advance(5_000);
      expect(await reading).to.include({ code: 'KW_ERR_ARCHIVE_MISSING', key });
    });

    it('does not continue after wrong bytes', async () => {
      readAt(0).resolves(failsAfter('ab', new DigestMismatchError(facts, 'differs')));
      expect(await rejection(buffer(await store.read(key)))).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE' });
      sinon.assert.calledOnce(archives.read);
    });

    it('releases the connection when it is destroyed while nothing arrives', async () => {
      const source = new Readable({ read: () => undefined });
      archives.read.resolves(source);
      const readable = await store.read(key);
      readable.resume();
      await settle();
      readable.destroy();
      await settle();
      expect(source.destroyed).to.equal(true);
    });

    it('is destroyed with the reason of its signal, and waits for nothing', async () => {
      const [abort, reason] = [new AbortController(), new Error('enough')];
      readAt(0).resolves(failsAfter('ab', new PodDeletedError(podFacts)));
      readAt(2).rejects(new PodDeletedError(podFacts));
      const reading = rejection(buffer(await store.read(key, abort)));
      await settle();
      abort.abort(reason);
      expect(await reading).to.equal(reason);
      await settle();
      expect(clock.sleeping).to.equal(0);
    });
  });

  it('deletes a file, and resolves with whether it existed', async () => {
    archives.delete.resolves(false);
    expect(await store.delete(key)).to.equal(false);
    archives.delete.rejects(new NotPermittedError(facts, 'EROFS'));
    expect(await rejection(store.delete(key))).to.include({ code: 'KW_ERR_STORE_DENIED', right: 'write' });
  });

  it('lists files', async () => {
    const modifiedAt = new Date(0);
    archives.list.callsFake(async function* () {
      yield await Promise.resolve({ key, bytes: 3, modifiedAt });
    });
    expect(await allOf(store.list('i/'))).to.deep.equal([{ key, storedBytes: 3, modifiedAt }]);
  });

  it('fails a list that does not reach its end', async () => {
    archives.list.callsFake(async function* () {
      yield await Promise.resolve({ key, bytes: 3, modifiedAt: new Date(0) });
      throw new OperationLostError(facts, 'cut');
    });
    expect(await rejection(allOf(store.list('i/')))).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE' });
  });

  it('returns the size of the file system', async () => {
    archives.usage.resolves({ totalBytes: 10, freeBytes: 4 });
    expect(await store.usage()).to.deep.equal({ totalBytes: 10, freeBytes: 4 });
  });

  it('probes with a file that it writes and deletes', async () => {
    archives.write.callsFake(readAll);
    archives.delete.resolves(true);
    await store.probe();
    sinon.assert.calledOnceWithMatch(archives.write, 'i/ff/p-1.tar.zst');
    sinon.assert.calledOnceWithMatch(archives.delete, 'i/ff/p-1.tar.zst');
  });

  it('rejects a probe of a file system that has become read-only', async () => {
    archives.write.rejects(new NotPermittedError(facts, 'EROFS'));
    expect(await rejection(store.probe())).to.include({ code: 'KW_ERR_STORE_DENIED', store: 'pvc', right: 'write' });
  });

  it('sends nothing for a signal that has aborted', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    for (const call of [
      store.write(key, chunks('a'), { signal }),
      store.read(key, { signal }),
      store.delete(key, { signal }),
      store.usage({ signal }),
      store.probe({ signal }),
      allOf(store.list('', { signal })),
    ])
      expect(await rejection(call)).to.equal(reason);
    sinon.assert.notCalled(pod.archives);
  });

  it('closes its part of the store pod, and leaves the pod', async () => {
    await store.close();
    sinon.assert.calledOnceWithMatch(pod.close, sinon.match.instanceOf(ClosedError));
  });
});
