import sinon from 'sinon';

import { FakeContainerRepository, FakeStepDelegate } from '../../../fakes/index.ts';
import type { PodError } from '../../../src/errors/pod.ts';
import { RepositoryUnavailableError } from '../../../src/errors/repository.ts';
import { PodSupervisor, type PodSupervisorComponents } from '../../../src/pods/pod-supervisor.ts';
import type { VolumeRecord } from '../../../src/repository/records.ts';
import type { TaskCacheStep } from '../../../src/runtime/caches.ts';
import type { ContainerState } from '../../../src/runtime/container-query.ts';
import type { Artifact } from '../../../src/runtime/volume.ts';
import type { ContainerCreationComponents, ContainerOutcome } from '../../../src/worker/creation/container-creation.ts';
import { findOrCreateContainer } from '../../../src/worker/creation/find-or-create-container.ts';
import { planContainer } from '../../../src/worker/plan/container-plan.ts';
import type { Collector } from '../../contract/worker/setup.ts';
import { silentLogger } from '../silent-logger.ts';
import { untraced } from '../untraced.ts';
import { VirtualClock } from '../virtual-clock.ts';

export const artifact = { handle: 'a-1' } as unknown as Artifact;

/** The volume of the one input. */
export const input: VolumeRecord = {
  handle: 'v-1',
  workerName: 'w',
  kind: 'input',
  state: 'creating',
  containerHandle: 'c-1',
  mountPath: '/in',
  name: undefined,
  teamId: undefined,
  store: 'pod',
  location: {},
  readyAt: undefined,
  digest: undefined,
  sizeBytes: undefined,
  expiresAt: undefined,
  createdAt: new Date(0),
};

/** Returns what a search for the row of the owner finds. */
export const found = (state: ContainerState, leased: boolean, podUid?: string, specDigest?: string) => ({
  container: {
    handle: 'c-1',
    specDigest,
    workerName: 'w',
    owner: { kind: 'k', key: '1' },
    state,
    podName: 'pod-1',
    podUid,
    metadata: {},
    settings: {},
    lastHijackAt: undefined,
    createdAt: new Date(0),
  },
  volumes: [input],
  leased,
  generation: 7,
});

export const away = (): RepositoryUnavailableError => new RepositoryUnavailableError('away');

/** Rejects only after an abort. */
export const never = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));

/** `findOrCreateContainer` over stubs, for one owner and a container with one input. */
export class CreationRig {
  readonly containers = new FakeContainerRepository();
  readonly launcher = { launch: sinon.stub().resolves('uid-1'), discard: sinon.stub().resolves() };
  readonly pods: Record<'findLoss' | 'requireAlive' | 'whenAgentAnswers' | 'fence' | 'diagnose', sinon.SinonStub> &
    Pick<PodSupervisor, 'retry' | 'mask'>;
  readonly takeFrom = sinon.stub().resolves({ rawBytes: 1024 });
  readonly images = {
    resolve: sinon.stub().resolves({ image: 'mirror/busybox:1', sidecars: [], requestedImages: {} }),
  };
  readonly hermetic = { prepare: sinon.stub().resolves('ground'), requireSealed: sinon.stub().resolves() };
  readonly caches = {
    findTaskCache: sinon.stub(),
    dropTaskCache: sinon.stub().resolves(),
    filledFrom: sinon.stub(),
  };
  readonly delegate = new FakeStepDelegate();
  readonly emit = sinon.spy();
  readonly clock = new VirtualClock();
  onSpecChange: 'reject' | 'keep' = 'reject';
  chosenName: string | undefined;
  isHermetic = false;
  taskCache: TaskCacheStep | undefined;
  stderr: Collector | undefined;
  #ids = 0;

  constructor() {
    const { clock, containers } = this;
    containers.releaseLease.resolves(true);
    containers.recordPod.resolves();
    containers.markCreated.resolves(7);
    containers.markFailed.resolves();
    containers.renewLease.resolves(true);
    const timeouts = { startMs: 300_000, schedulingMs: 300_000, reconnectMs: 300_000 };
    const supervisor = new PodSupervisor({
      clock,
      logger: silentLogger,
      timeouts,
    } as unknown as PodSupervisorComponents);
    this.pods = {
      findLoss: sinon.stub().resolves(undefined),
      requireAlive: sinon.stub().resolves(),
      whenAgentAnswers: sinon.stub().resolves(),
      fence: sinon.stub().resolves(),
      retry: (work, options) => supervisor.retry(work, options),
      diagnose: sinon.stub().callsFake(async (error: PodError) => error),
      mask: (text) => text,
    };
  }

  readonly findOrCreate = (options: { signal?: AbortSignal } = {}): Promise<ContainerOutcome> => {
    const { containers, images, launcher, pods, takeFrom, hermetic, caches, clock } = this;
    const components = {
      workerName: 'w',
      containers,
      images,
      launcher,
      pods,
      hermetic,
      podStore: { name: 'pod', locateInContainer: () => ({}) },
      caches,
      volume: ({ handle }: VolumeRecord) => ({ handle, takeFrom }),
      streams: { open: () => ({ held: Promise.resolve(), close: async () => undefined }) },
      podName: () => 'pod-1',
      newId: () => `id-${(this.#ids += 1)}`,
      leaseMs: 60_000,
      emit: this.emit,
      tracing: untraced,
      clock,
      logger: silentLogger,
    };
    return findOrCreateContainer(this.#request(), components as unknown as ContainerCreationComponents, options);
  };

  #request() {
    const { onSpecChange, isHermetic: hermetic, chosenName: podName, taskCache, delegate, stderr } = this;
    const caches = taskCache === undefined ? undefined : ['/cache'];
    return {
      owner: { kind: 'k', key: '1' },
      plan: planContainer({
        image: 'busybox:1',
        inputs: [{ artifact, path: '/in' }],
        caches,
        taskCache,
        podName,
        hermetic,
      }),
      specDigest: 'mine',
      onSpecChange,
      metadata: {},
      delegate,
      stderr,
    };
  }
}
