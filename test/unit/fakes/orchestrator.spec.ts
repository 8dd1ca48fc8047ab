import { Readable, Writable } from 'node:stream';
import { expect } from 'chai';
import sinon from 'sinon';

import { FakeClock, FakeContainer, FakeLogger, FakeProcess, FakeVolume, FakeWorker } from '../../../fakes/index.ts';
import {
  type Artifact,
  type Clock,
  isKubernetesWorkerError,
  type Logger,
  PodUnschedulableError,
  type Worker,
} from '../../../src/index.ts';

interface Step {
  readonly name: string;
  readonly image: string;
  readonly command: readonly [string, ...string[]];
}

interface Collaborators {
  readonly worker: Worker;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A minimal host: uploads sources, runs the steps of a build on them one after the other, and waits
 * for capacity of the cluster.
 */
class Orchestrator {
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor({ worker, clock, logger }: Collaborators) {
    this.#worker = worker;
    this.#clock = clock;
    this.#logger = logger;
  }

  async runBuild(build: string, sources: Readable, steps: readonly Step[]): Promise<'passed' | 'failed'> {
    const { volume } = await this.#worker.createVolumeForArtifact('main');
    await volume.streamIn('.', sources, { encoding: 'gzip' });
    try {
      for (const step of steps) {
        if ((await this.#runStep(build, step, volume)) !== 0) return 'failed';
      }
      return 'passed';
    } finally {
      await this.#worker.expireArtifact(volume.handle);
    }
  }

  async #runStep(build: string, step: Step, source: Artifact): Promise<number> {
    const owner = { kind: 'step', key: `${build}/${step.name}` };
    const { container } = await this.#whenSchedulable(() =>
      this.#worker.findOrCreateContainer(owner, {
        image: step.image,
        dir: '/build',
        inputs: [{ artifact: source, path: '.' }],
      }),
    );
    const [path, ...args] = step.command;
    const process = await container.run({ id: 'task', path, args }, { stdout: new Writable() });
    const { exitStatus } = await process.wait();
    await container.setProperty('exit-status', String(exitStatus));
    await this.#worker.ownerFinished(owner);
    return exitStatus;
  }

  async #whenSchedulable<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!isKubernetesWorkerError(error) || error.code !== 'KW_ERR_POD_UNSCHEDULABLE') throw error;
        this.#logger.warn('no room in the cluster', { pod: error.podName });
        await this.#clock.sleep(30_000);
      }
    }
  }
}

describe('a host, unit-tested with the fakes', () => {
  const steps: readonly Step[] = [
    { name: 'lint', image: 'node', command: ['npm', 'run', 'lint'] },
    { name: 'test', image: 'node', command: ['npm', 'test'] },
  ];
  let worker: FakeWorker;
  let clock: FakeClock;
  let logger: FakeLogger;
  let volume: FakeVolume;
  let container: FakeContainer;
  let process: FakeProcess;

  const runBuild = (): Promise<'passed' | 'failed'> =>
    new Orchestrator({ worker, clock, logger }).runBuild('b-7', Readable.from(['tar']), steps);

  beforeEach(() => {
    worker = new FakeWorker({ name: 'w' });
    clock = new FakeClock();
    logger = new FakeLogger();
    volume = new FakeVolume({ handle: 'v-1', source: 'w' });
    container = new FakeContainer({ handle: 'c-1', podName: 'kw-1' });
    process = new FakeProcess({ id: 'task' });
    worker.createVolumeForArtifact.resolves({ volume, expiresAt: new Date(0) });
    volume.streamIn.resolves({ bytes: 3, rawBytes: 10_240, digest: '00', entries: 1 });
    worker.findOrCreateContainer.resolves({ container, mounts: [], created: true });
    container.run.resolves(process);
    process.wait.resolves({ exitStatus: 0 });
  });

  context('when every command exits with 0', () => {
    it('passes', async () => {
      expect(await runBuild()).to.equal('passed');
    });

    it('runs the steps in order, each on the uploaded sources', async () => {
      await runBuild();
      expect(container.run.args.map(([spec]) => spec.args)).to.deep.equal([['run', 'lint'], ['test']]);
      for (const [, spec] of worker.findOrCreateContainer.args) expect(spec.inputs?.[0]?.artifact).to.equal(volume);
      sinon.assert.callOrder(
        volume.streamIn,
        worker.findOrCreateContainer,
        container.run,
        process.wait,
        worker.ownerFinished,
      );
    });
  });

  context('when a command exits with another status', () => {
    beforeEach(() => {
      process.wait.onFirstCall().resolves({ exitStatus: 2 });
    });

    it('fails, without running the steps after it', async () => {
      expect(await runBuild()).to.equal('failed');
      expect(container.run.callCount).to.equal(1);
    });

    it('stores the status and expires the sources', async () => {
      await runBuild();
      expect(container.setProperty.getCall(0).args).to.deep.equal(['exit-status', '2']);
      expect(worker.expireArtifact.getCall(0).args).to.deep.equal(['v-1']);
    });
  });

  context('when the cluster has no capacity at first', () => {
    it('logs a warning, waits, and retries', async () => {
      worker.findOrCreateContainer
        .onFirstCall()
        .rejects(new PodUnschedulableError({ namespace: 'ci', podName: 'kw-1' }, 60_000));
      expect(await runBuild()).to.equal('passed');
      expect(clock.sleep.args).to.deep.equal([[30_000]]);
      expect(logger.warn.getCall(0).args).to.deep.equal(['no room in the cluster', { pod: 'kw-1' }]);
    });
  });
});
