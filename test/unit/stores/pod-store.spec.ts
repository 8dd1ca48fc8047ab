import { Readable } from 'node:stream';

import { expect } from 'chai';
import sinon from 'sinon';

import { ExecHandshakeFailedError } from '../../../src/errors/connection.ts';
import { PodDeletedError, PodEvictedError } from '../../../src/errors/pod.ts';
import { OutcomeUnknownError } from '../../../src/errors/process.ts';
import { VolumeDisappearedError } from '../../../src/errors/repository.ts';
import { DiskFullError, OperationLostError } from '../../../src/errors/transfer.ts';
import type { ArchiveFrame } from '../../../src/stores/frame-store.ts';
import { PodStore, type PodStoreComponents } from '../../../src/stores/pod-store.ts';
import { rejection } from '../../support/rejection.ts';
import { settle } from '../../support/virtual-clock.ts';

const here = { pod: 'pod-h', owner: 'h', volume: 'v' };
const elsewhere = { pod: 'pod-x', owner: 'x', volume: 'w' };
const transferred = { bytes: 1024, sha256: 'abc', entries: 3 };
const received = { rawBytes: 1024, digest: 'abc', entries: 3 };

const lost = new OperationLostError({ podName: 'pod-h' }, 'cut');
const deletedPod = (podName: string): PodDeletedError => new PodDeletedError({ namespace: 'ci', podName });

const newClient = () => ({
  receive: sinon.stub(),
  receiveFrom: sinon.stub(),
  receiveFrames: sinon.stub(),
  send: sinon.stub(),
  sendFrames: sinon.stub(),
  digest: sinon.stub(),
});

describe('PodStore', () => {
  /** One client per pod, by the pod's name. */
  let clients: Record<string, ReturnType<typeof newClient>>;
  let client: sinon.SinonStub;
  let launch: sinon.SinonStub;
  let remove: sinon.SinonStub;
  let pods: { whenAgentAnswers: sinon.SinonStub; exists: sinon.SinonStub; requireAlive: sinon.SinonStub };
  /** The guarded pods, while they are guarded. */
  let guards: Map<string, AbortController>;
  let store: PodStore;

  /** Like `PodSupervisor.guard`; a test aborts it. */
  function guard(podName: string, { signal }: { readonly signal?: AbortSignal }): Disposable & { signal: AbortSignal } {
    const gone = new AbortController();
    guards.set(podName, gone);
    return {
      signal: signal === undefined ? gone.signal : AbortSignal.any([signal, gone.signal]),
      [Symbol.dispose]: () => void guards.delete(podName),
    };
  }

  beforeEach(() => {
    clients = { 'pod-h': newClient(), 'pod-x': newClient() };
    client = sinon.stub().callsFake((podName: string) => clients[podName]);
    launch = sinon.stub().resolves('uid');
    remove = sinon.stub().resolves(true);
    pods = { whenAgentAnswers: sinon.stub().resolves(), exists: sinon.stub(), requireAlive: sinon.stub().resolves() };
    guards = new Map();
    store = new PodStore({
      workerName: 'worker',
      agents: { client },
      launcher: { launch },
      pods: { ...pods, guard },
      remover: { remove },
      podName: (handle: string) => `pod-${handle}`,
      image: 'busybox',
    } as unknown as PodStoreComponents);
  });

  describe('locate()', () => {
    it("names a volume's own pod, without a request to the cluster", () => {
      expect(store.locate('h')).to.deep.equal({ pod: 'pod-h', owner: 'h', volume: 'h' });
      sinon.assert.notCalled(launch);
    });

    it('names the pod of the container for a volume of a container', () => {
      expect(store.locateInContainer({ podName: 'pod-h', handle: 'h' }, 'v')).to.deep.equal(here);
    });
  });

  describe('create()', () => {
    it('launches a pod that holds only the volume, and resolves when its agent answers', async () => {
      const answer = Promise.withResolvers<void>();
      pods.whenAgentAnswers.returns(answer.promise);
      const created = sinon.spy();
      const creating = store.create('h', store.locate('h')).then(created);
      await settle();
      sinon.assert.calledOnceWithMatch(launch, {
        podName: 'pod-h',
        handle: 'h',
        image: 'busybox',
        metadata: { type: 'artifact' },
        volumes: [{ agentVolume: 'h', mountPath: '/volume' }],
      });
      sinon.assert.calledOnceWithMatch(pods.whenAgentAnswers, { podName: 'pod-h', handle: 'h' });
      sinon.assert.notCalled(created);
      answer.resolve();
      await creating;
    });
  });

  it('exists() resolves with whether the pod exists', async () => {
    pods.exists.withArgs('pod-h', { handle: 'h' }).resolves(true);
    pods.exists.withArgs('pod-x').resolves(false);
    expect(await store.exists(here)).to.equal(true);
    expect(await store.exists(elsewhere)).to.equal(false);
  });

  it("delete() removes the owner's pod", async () => {
    remove.resolves(false);
    expect(await store.delete(here)).to.equal(false);
    sinon.assert.calledOnceWithExactly(remove, 'pod-h', 'h', {});
  });

  describe('receive()', () => {
    const archive = Readable.from([]);

    it("passes the archive to the pod's agent and resolves with its result", async () => {
      clients['pod-h']!.receive.resolves(transferred);
      const isProven = (): boolean => true;
      const progress = (): void => undefined;
      const options = { generation: 7, expandedLimitBytes: 9, isProven, progress };
      expect(await store.receive(here, 'a/b', archive, options)).to.deep.equal(received);
      sinon.assert.calledOnceWithMatch(
        clients['pod-h']!.receive,
        { volume: 'v', path: 'a/b', generation: 7, expandedLimitBytes: 9 },
        archive,
        { isProven, received: progress },
      );
      expect(guards.size).to.equal(0);
    });

    it('rejects with InvalidSpecError for a path that contains a NUL', async () => {
      expect((await rejection(store.receive(here, 'a\0', archive))).code).to.equal('KW_ERR_INVALID_SPEC');
      sinon.assert.notCalled(client);
    });

    it('aborts the transfer and rejects with VolumeDisappearedError when the pod is deleted', async () => {
      clients['pod-h']!.receive.callsFake(
        (_spec: unknown, _archive: unknown, { signal }: { signal: AbortSignal }) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
      );
      const receiving = rejection(store.receive(here, '.', archive));
      const cause = deletedPod('pod-h');
      guards.get('pod-h')!.abort(cause);
      const error = await receiving;
      expect(error).to.be.instanceOf(VolumeDisappearedError);
      expect(error.cause).to.equal(cause);
      expect(guards.size).to.equal(0);
    });

    for (const failure of [
      lost,
      new OutcomeUnknownError('upload to volume v', 'cut'),
      new ExecHandshakeFailedError('no such pod', { status: 404, retryable: false }),
    ]) {
      context(`when the transfer fails with ${failure.code}`, () => {
        beforeEach(() => {
          clients['pod-h']!.receive.rejects(failure);
        });

        it('rejects with VolumeDisappearedError if the pod no longer exists', async () => {
          pods.requireAlive.withArgs('pod-h').rejects(deletedPod('pod-h'));
          expect(await rejection(store.receive(here, '.', archive))).to.be.instanceOf(VolumeDisappearedError);
        });

        it('rejects with any other problem of the pod', async () => {
          const evicted = new PodEvictedError({ namespace: 'ci', podName: 'pod-h' });
          pods.requireAlive.rejects(evicted);
          expect(await rejection(store.receive(here, '.', archive))).to.equal(evicted);
        });

        it('rejects with the failure itself if the pod runs, or its state cannot be determined', async () => {
          expect(await rejection(store.receive(here, '.', archive))).to.equal(failure);
          pods.requireAlive.rejects(new Error('forbidden'));
          expect(await rejection(store.receive(here, '.', archive))).to.equal(failure);
        });
      });
    }

    it('rejects with any other failure, without a check of the pod', async () => {
      const full = new DiskFullError({ podName: 'pod-h' }, 'no space');
      clients['pod-h']!.receive.rejects(full);
      expect(await rejection(store.receive(here, '.', archive))).to.equal(full);
      sinon.assert.notCalled(pods.requireAlive);
    });

    it('rejects with the failure itself after an abort by the caller, without a check of the pod', async () => {
      clients['pod-h']!.receive.rejects(lost);
      const signal = AbortSignal.abort(new Error('enough'));
      expect(await rejection(store.receive(here, '.', archive, { signal }))).to.equal(lost);
      sinon.assert.notCalled(pods.requireAlive);
    });
  });

  describe('copy()', () => {
    it('copies from agent to agent, under guards of both pods', async () => {
      clients['pod-h']!.receiveFrom.callsFake(async () => {
        expect([...guards.keys()]).to.have.members(['pod-h', 'pod-x']);
        return transferred;
      });
      const progress = (): void => undefined;
      expect(await store.copy(elsewhere, here, { generation: 7, progress })).to.deep.equal(received);
      sinon.assert.calledOnceWithMatch(
        clients['pod-h']!.receiveFrom,
        { volume: 'v', generation: 7 },
        { client: clients['pod-x'], spec: { volume: 'w' } },
        { received: progress },
      );
      expect(guards.size).to.equal(0);
    });

    for (const [end, location] of [
      ['source', elsewhere],
      ['destination', here],
    ] as const) {
      it(`rejects with VolumeDisappearedError of the ${end} if its pod no longer exists`, async () => {
        clients['pod-h']!.receiveFrom.rejects(lost);
        pods.requireAlive.withArgs(location.pod).rejects(deletedPod(location.pod));
        const error = await rejection(store.copy(elsewhere, here));
        expect(error).to.be.instanceOf(VolumeDisappearedError).and.to.include({ handle: location.volume });
      });
    }

    it('aborts, and rejects with VolumeDisappearedError of the right volume, when one of the pods is deleted', async () => {
      for (const { pod, volume } of [elsewhere, here]) {
        clients['pod-h']!.receiveFrom.callsFake(
          async (_spec: unknown, _from: unknown, options: { signal: AbortSignal }) => {
            guards.get(pod)!.abort(deletedPod(pod));
            throw options.signal.reason as Error;
          },
        );
        const error = await rejection(store.copy(elsewhere, here));
        expect(error).to.be.instanceOf(VolumeDisappearedError).and.to.include({ handle: volume });
      }
    });
  });

  describe('send()', () => {
    it('resolves with the archive, and guards the pod until the archive is closed', async () => {
      const readable = Readable.from([Buffer.from('tar')]);
      clients['pod-h']!.send.resolves({ kind: 'file', readable });
      expect(await store.send(here, 'a')).to.deep.equal({ kind: 'file', archive: readable });
      sinon.assert.calledOnceWithMatch(clients['pod-h']!.send, { volume: 'v', path: 'a' });
      expect([...guards.keys()]).to.deep.equal(['pod-h']);
      readable.destroy();
      await settle();
      expect(guards.size).to.equal(0);
    });

    it('rejects with VolumeDisappearedError if the pod no longer exists, and disposes its guard', async () => {
      clients['pod-h']!.send.rejects(lost);
      pods.requireAlive.rejects(deletedPod('pod-h'));
      expect(await rejection(store.send(here, 'a'))).to.be.instanceOf(VolumeDisappearedError);
      expect(guards.size).to.equal(0);
    });

    it('explains a loss during the transfer by the end of the pod', async () => {
      clients['pod-h']!.send.resolves({ kind: 'file', readable: Readable.from([]) });
      await store.send(here, 'a');
      const { explain } = clients['pod-h']!.send.firstCall.args[1] as { explain: (error: Error) => Promise<Error> };
      expect(await explain(lost)).to.equal(lost);
      const ended = deletedPod('pod-h');
      pods.requireAlive.rejects(ended);
      expect(await explain(lost)).to.equal(ended);
    });

    it('rejects with InvalidSpecError for a path that contains a NUL', async () => {
      expect((await rejection(store.send(here, 'a\0'))).code).to.equal('KW_ERR_INVALID_SPEC');
      expect(guards.size).to.equal(0);
    });
  });

  describe('sendFrames()', () => {
    const frame: ArchiveFrame = { encoding: 'raw', rawLength: 3, bytes: Buffer.from('tar') };
    const end = { rawBytes: 3, digest: 'abc' };
    let frames: { end: typeof end; next: sinon.SinonStub; passed: sinon.SinonSpy; stop: sinon.SinonSpy };

    beforeEach(() => {
      frames = { end, next: sinon.stub().resolves([]), passed: sinon.spy(), stop: sinon.spy() };
      clients['pod-h']!.sendFrames.resolves(frames);
    });

    it('passes on the frames of the whole volume, and guards the pod until their end', async () => {
      frames.next.onFirstCall().resolves([frame]);
      const sent = await store.sendFrames(here);
      sinon.assert.calledOnceWithMatch(clients['pod-h']!.sendFrames, { volume: 'v' });
      expect(await sent.next()).to.deep.equal([frame]);
      sent.passed(frame);
      sinon.assert.calledOnceWithExactly(frames.passed, frame);
      expect([...guards.keys()]).to.deep.equal(['pod-h']);
      expect(await sent.next()).to.deep.equal([]);
      expect(guards.size).to.equal(0);
      expect(sent.end).to.equal(end);
    });

    it('stops the frames, and disposes the guard', async () => {
      (await store.sendFrames(here)).stop();
      sinon.assert.calledOnce(frames.stop);
      expect(guards.size).to.equal(0);
    });

    it('rejects with VolumeDisappearedError if the pod no longer exists, at the opening and later', async () => {
      pods.requireAlive.rejects(deletedPod('pod-h'));
      frames.next.rejects(lost);
      const sent = await store.sendFrames(here);
      expect(await rejection(sent.next())).to.be.instanceOf(VolumeDisappearedError);
      expect(guards.size).to.equal(0);
      clients['pod-h']!.sendFrames.rejects(lost);
      expect(await rejection(store.sendFrames(here))).to.be.instanceOf(VolumeDisappearedError);
      expect(guards.size).to.equal(0);
    });
  });

  describe('receiveFrames()', () => {
    it('gives the frames to the agent under the generation, and guards the pod', async () => {
      clients['pod-h']!.receiveFrames.callsFake(async () => {
        expect([...guards.keys()]).to.deep.equal(['pod-h']);
        return transferred;
      });
      const source = (): Promise<never> => Promise.reject(new Error('unused'));
      const progress = (): void => undefined;
      expect(await store.receiveFrames(here, source, { generation: 7, progress })).to.deep.equal(received);
      sinon.assert.calledOnceWithMatch(clients['pod-h']!.receiveFrames, { volume: 'v', generation: 7 }, source, {
        received: progress,
      });
      expect(guards.size).to.equal(0);
    });

    it('rejects with VolumeDisappearedError if the pod no longer exists', async () => {
      clients['pod-h']!.receiveFrames.rejects(lost);
      pods.requireAlive.rejects(deletedPod('pod-h'));
      expect(await rejection(store.receiveFrames(here, sinon.stub()))).to.be.instanceOf(VolumeDisappearedError);
    });
  });

  describe('digestOf()', () => {
    it('returns the size and digest that the agent has computed', async () => {
      clients['pod-h']!.digest.withArgs({ volume: 'v' }).resolves(transferred);
      expect(await store.digestOf(here)).to.deep.equal({ rawBytes: 1024, digest: 'abc' });
      expect(guards.size).to.equal(0);
    });

    it('rejects with VolumeDisappearedError if the pod no longer exists', async () => {
      clients['pod-h']!.digest.rejects(lost);
      pods.requireAlive.rejects(deletedPod('pod-h'));
      expect(await rejection(store.digestOf(here))).to.be.instanceOf(VolumeDisappearedError);
    });
  });
});
