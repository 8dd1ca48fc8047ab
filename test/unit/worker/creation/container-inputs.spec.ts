import { expect } from 'chai';
import sinon from 'sinon';

import { FakeArtifact, FakeArtifactStore, FakeVolumeRepository } from '../../../../fakes/index.ts';
import type { VolumeRecord } from '../../../../src/repository/records.ts';
import type { Artifact } from '../../../../src/runtime/volume.ts';
import type {
  ContainerCreationComponents,
  ContainerRequest,
  Creation,
} from '../../../../src/worker/creation/container-creation.ts';
import { fillInputs } from '../../../../src/worker/creation/container-inputs.ts';
import { planContainer } from '../../../../src/worker/plan/container-plan.ts';
import { StoredVolume } from '../../../../src/worker/volumes/stored-volume.ts';
import { rejection } from '../../../support/rejection.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { untraced } from '../../../support/untraced.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

describe('fillInputs', () => {
  let takeFrom: sinon.SinonStub<[Artifact], Promise<{ rawBytes: number }>>;
  let close: sinon.SinonStub<[], Promise<void>>;
  let open: sinon.SinonStub;

  const stored = (handle: string): StoredVolume =>
    new StoredVolume(
      { handle, workerName: 'w', kind: 'output', store: 'pod', location: {}, sizeBytes: undefined },
      {
        volumes: new FakeVolumeRepository(),
        store: new FakeArtifactStore({ name: 'pod' }),
        streams: { open },
        emit: () => undefined,
        tracing: untraced,
        retry: async (work) => await work(),
        caches: { keepTaskCache: sinon.stub(), keepResourceCache: sinon.stub() },
        holding: async () => await Promise.reject(new Error('no cache is kept')),
        archives: undefined,
        sealed: undefined,
        logger: silentLogger,
      },
    );

  beforeEach(() => {
    takeFrom = sinon.stub();
    takeFrom.resolves({ rawBytes: 1 });
    close = sinon.stub();
    close.resolves();
    open = sinon.stub();
    open.returns({ held: Promise.resolve(), close });
  });

  /** Fills a container with these artifacts. The inputs of `ready` are complete. */
  const fill = async (artifacts: readonly Artifact[], ready: readonly number[] = []): Promise<void> => {
    const inputs = artifacts.map((artifact, index) => ({ artifact, path: `/in/${index}` }));
    const plan = planContainer({ image: 'busybox:1', inputs });
    const volumes = plan.mounts.map(({ mountPath }, index) => ({
      handle: `to-${index}`,
      mountPath,
      readyAt: ready.includes(index) ? new Date(0) : undefined,
    }));
    await fillInputs(
      {
        volumes: volumes as unknown as readonly VolumeRecord[],
        lease: { holder: 'me', durationMs: 1 },
        generation: 1,
        progress: { streamingInput: () => undefined, inputsDone: () => undefined },
      } as unknown as Creation,
      { plan } as unknown as ContainerRequest,
      {
        volume: () => ({ takeFrom }),
        streams: { open },
        tracing: untraced,
        clock: new VirtualClock(),
      } as unknown as ContainerCreationComponents,
      {},
    );
  };

  it('has one open stream of all volumes that it copies, until the last one is copied', async () => {
    takeFrom.callsFake(async () => {
      sinon.assert.notCalled(close);
      return { rawBytes: 1 };
    });
    await fill([stored('a'), new FakeArtifact({ handle: 'elsewhere' }), stored('b'), stored('done')], [3]);
    sinon.assert.calledOnceWithExactly(open, ['a', 'b']);
    sinon.assert.calledOnce(close);
    expect(takeFrom.callCount).to.equal(3);
  });

  it('ends the stream also if an input fails', async () => {
    takeFrom.onSecondCall().rejects(new Error('lost'));
    expect(await rejection(fill([stored('a'), stored('b')]))).to.include({ message: 'lost' });
    sinon.assert.calledOnce(close);
  });
});
