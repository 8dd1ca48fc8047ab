import { expect } from 'chai';
import sinon from 'sinon';

import { FakeContainerRepository, FakeVolumeRepository } from '../../../../fakes/index.ts';
import type { ArchiveService } from '../../../../src/archives/archive-service.ts';
import { PodDeletedError } from '../../../../src/errors/pod.ts';
import { RepositoryUnavailableError } from '../../../../src/errors/repository.ts';
import { StoreUnavailableError, VolumeChangedError } from '../../../../src/errors/store.ts';
import { CallsUnderWay } from '../../../../src/internal/calls-under-way.ts';
import type { ArchiveReference, VolumeRecord } from '../../../../src/repository/records.ts';
import type { VolumeKind } from '../../../../src/runtime/volume-query.ts';
import type { SaveOutputs } from '../../../../src/stores/stores-options.ts';
import { type EndedCommand, OutputSaver } from '../../../../src/worker/process/output-saver.ts';
import { rejection } from '../../../support/rejection.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { untraced } from '../../../support/untraced.ts';
import { settle } from '../../../support/virtual-clock.ts';

const location = { pod: 'p', owner: 'c', volume: 'v' };
const away = new StoreUnavailableError({ store: 's3' }, 'no answer');
const archive = { id: 'a', store: 's3', key: 'k' } as ArchiveReference;
const command: EndedCommand = { handle: 'c', processId: 'task', exitStatus: 0 };

function volumeOf(handle: string, kind: VolumeKind = 'output', more: Partial<VolumeRecord> = {}): VolumeRecord {
  return {
    handle,
    kind,
    workerName: 'w',
    state: 'created',
    mountPath: `/${handle}`,
    location,
    ...more,
  } as VolumeRecord;
}

describe('OutputSaver', () => {
  let containers: FakeContainerRepository;
  let volumes: FakeVolumeRepository;
  let save: sinon.SinonStub<Parameters<ArchiveService['save']>, ReturnType<ArchiveService['save']>>;
  let markUnsaved: sinon.SinonStub;
  let calls: CallsUnderWay;
  let warn: sinon.SinonStub<[message: string, ...facts: unknown[]], void>;

  const saver = (when: SaveOutputs = 'always'): OutputSaver =>
    new OutputSaver({
      containers,
      volumes,
      archives: { save },
      rows: { markUnsaved },
      retry: async (work) => await work(),
      holding: (work, options) => calls.run(work, options),
      store: 's3',
      when,
      budgetMs: 300_000,
      tracing: untraced,
      logger: { ...silentLogger, warn },
    });

  beforeEach(() => {
    warn = sinon.stub();
    containers = new FakeContainerRepository();
    containers.volumesOf.resolves([volumeOf('out'), volumeOf('in', 'input'), volumeOf('log'), volumeOf('tmp', 'dir')]);
    volumes = new FakeVolumeRepository();
    save = sinon.stub();
    save.resolves({ archive, isUnchanged: false, isContent: true });
    markUnsaved = sinon.stub().resolves();
    calls = new CallsUnderWay();
  });

  it('saves all outputs of the container, and no other volume', async () => {
    containers.volumesOf.withArgs('c').resolves([volumeOf('out', 'output', { archive }), volumeOf('in', 'input')]);
    expect(await saver().save(command, {})).to.deep.equal([]);
    sinon.assert.calledOnceWithMatch(save, { handle: 'out', location, archive }, 's3', {
      purpose: 'output:out:task',
      budgetMs: 300_000,
    });
    sinon.assert.notCalled(markUnsaved);
  });

  it('shows what an output at the path of an input has received', async () => {
    const digest = 'd'.repeat(64);
    containers.volumesOf.resolves([volumeOf('out', 'output', { digest, sizeBytes: 2048 }), volumeOf('log')]);
    await saver().save(command, {});
    expect(save.args.map(([{ received }]) => received)).to.deep.equal([{ digest, rawBytes: 2048 }, undefined]);
  });

  it('saves them in parallel', async () => {
    save.returns(new Promise(() => {}));
    void saver().save(command, {});
    await settle();
    expect(save.args.map(([{ handle }]) => handle)).to.deep.equal(['out', 'log']);
  });

  it('saves after a failed command, unless the policy is `success` or `never`', async () => {
    const failed = { ...command, exitStatus: 1 };
    for (const when of ['success', 'never'] as const) await saver(when).save(failed, {});
    sinon.assert.notCalled(save);
    await saver('always').save(failed, {});
    sinon.assert.calledTwice(save);
  });

  it('saves after a command that exits with 0, unless the policy is `never`', async () => {
    await saver('never').save(command, {});
    sinon.assert.notCalled(save);
    await saver('success').save(command, {});
    sinon.assert.calledTwice(save);
  });

  it('returns the outputs that were not saved, marks them and logs once that the result waits', async () => {
    save.withArgs(sinon.match({ handle: 'log' })).callsFake(async (_volume, _store, { retrying }) => {
      retrying?.(away);
      retrying?.(away);
      throw away;
    });
    expect(await saver().save(command, {})).to.deep.equal([{ mountPath: '/log', handle: 'log', cause: away }]);
    sinon.assert.calledOnceWithMatch(markUnsaved, ['log']);
    expect(warn.args.map(([message]) => message)).to.deep.equal(['result waits for its outputs', 'output not saved']);
  });

  it('returns outputs of a pod that no longer exists as unsaved', async () => {
    const gone = new PodDeletedError({ namespace: 'ci', podName: 'p' });
    save.rejects(gone);
    const unsaved = await saver().save(command, {});
    expect(unsaved.map(({ cause }) => cause)).to.deep.equal([gone, gone]);
  });

  it('rejects while the database does not answer, because the result could not be recorded either', async () => {
    const error = new RepositoryUnavailableError('away');
    save.onFirstCall().rejects(error);
    expect(await rejection(saver().save(command, {}))).to.equal(error);
    sinon.assert.notCalled(markUnsaved);
  });

  it('stops with the reason of the signal, and marks nothing', async () => {
    save.callsFake(
      (_volume, _store, { signal }) =>
        new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error))),
    );
    const stop = new AbortController();
    const stopped = rejection(saver().save(command, { signal: stop.signal }));
    await settle();
    const reason = new Error('detached');
    stop.abort(reason);
    expect(await stopped).to.equal(reason);
    sinon.assert.notCalled(markUnsaved);
  });

  it('saves a volume again if another process saved it during the save', async () => {
    const other = { ...archive, id: 'b' };
    containers.volumesOf.resolves([volumeOf('out')]);
    save.onFirstCall().resolves({ archive, isUnchanged: false, isContent: false });
    volumes.lookup.withArgs('w', 'out').resolves(volumeOf('out', 'output', { archive: other }));
    await saver().save(command, {});
    sinon.assert.calledTwice(save);
    const [volume, , options] = save.secondCall.args;
    expect(volume.archive).to.equal(other);
    expect(options)
      .to.include({ purpose: undefined })
      .and.to.deep.include({ candidates: [archive] });
  });

  it('returns a volume as unsaved if other processes save it during each attempt', async () => {
    containers.volumesOf.resolves([volumeOf('out')]);
    save.resolves({ archive, isUnchanged: false, isContent: false });
    volumes.lookup.resolves(volumeOf('out'));
    const unsaved = await saver().save(command, {});
    sinon.assert.calledThrice(save);
    expect(unsaved).to.have.length(1);
    expect(unsaved[0]?.cause).to.be.instanceOf(VolumeChangedError);
  });

  it('leaves a volume alone that is about to be deleted', async () => {
    containers.volumesOf.resolves([volumeOf('out')]);
    save.resolves({ archive, isUnchanged: false, isContent: false });
    volumes.lookup.resolves(volumeOf('out', 'output', { state: 'destroying' }));
    expect(await saver().save(command, {})).to.deep.equal([]);
    sinon.assert.calledOnce(save);
  });
});
