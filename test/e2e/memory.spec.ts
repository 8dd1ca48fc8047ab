import type { PGlite } from '@electric-sql/pglite';
import { expect } from 'chai';

import type { ContainerSpec, Process, Worker } from '../../src/index.ts';
import { Collector, makeContainer, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';
import { readTarText } from '../support/tar.ts';

const limitBytes = 48 * 1024 * 1024;
/** Uses memory until it is killed. `tail` buffers a line without an end. */
const hog = 'tail /dev/zero';

describe('memory that runs out on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let setup: ReturnType<typeof realWorkers>;
  let worker: Worker;

  before(async function () {
    real = await realCluster(this, 'memory');
    database = await newPGlite();
    setup = realWorkers(real, database);
    worker = await setup.open();
  });

  after(async () => {
    await (worker as Worker | undefined)?.close();
    await real?.remove();
    await database?.close();
  });

  const limited = async (parts: Partial<ContainerSpec> = {}) =>
    await makeContainer(worker, shellImage, { limits: { memoryBytes: limitBytes }, outputs: { out: 'out' }, ...parts });
  const error = async (process: Process) => await rejection(process.wait());

  for (const [what, script] of [
    ['the command', `exec ${hog}`],
    ['a child of the command, and the shell exits with 137', `echo before; ${hog}; exit $?`],
    ['a grandchild in its own session, and the shell exits with 137', `setsid sh -c '${hog}; exit $?'; exit $?`],
  ] as const)
    it(`is reported if the kernel killed ${what}; volumes remain, the next process runs, and it is reported again later`, async () => {
      const { container, owner, mounts } = await limited();
      await sh(container, 'echo kept > out/kept');
      const process = await container.run({ id: 'hungry', path: 'sh', args: ['-c', script] }, {});
      expect(await error(process)).to.include({
        code: 'KW_ERR_OUT_OF_MEMORY',
        podName: container.podName,
        containerName: 'main',
        limitBytes,
      });
      expect((await sh(container, 'cat out/kept')).stdout).to.equal('kept\n');
      expect(await readTarText(await mounts.find(({ name }) => name === 'out')!.volume.streamOut('.'))).to.deep.equal({
        kept: 'kept\n',
      });
      const other = await setup.open();
      const again = await (await other.lookupContainer(container.handle))!.attach('hungry', {});
      expect((await rejection(again.wait())).code).to.equal('KW_ERR_OUT_OF_MEMORY');
      await setup.deletePod(container.podName);
      const afterwards = await container.attach('hungry', {});
      expect(await rejection(afterwards.wait())).to.include({ code: 'KW_ERR_OUT_OF_MEMORY', limitBytes });
      await other.close();
      await worker.ownerFinished(owner);
    });

  it('is reported if the kernel killed the agent, and the container with it; volumes remain, and the next process runs', async () => {
    // The kernel spares the processes of a pod whose requests are its limits, but not one that has raised
    // its own score.
    const { container, owner } = await limited({ limits: { memoryBytes: limitBytes, cpuMilli: 200 } });
    await sh(container, 'echo kept > out/kept');
    const script = `echo 1000 > /proc/1/oom_score_adj; for i in 1 2 3; do ${hog} & done; exec ${hog}`;
    const process = await container.run({ path: 'sh', args: ['-c', script] }, {});
    expect(await error(process)).to.include({ code: 'KW_ERR_OUT_OF_MEMORY', containerName: 'main', limitBytes });
    expect((await sh(container, 'cat out/kept')).stdout).to.equal('kept\n');
    const describeMain = async () => (await container.describe()).containers.find(({ name }) => name === 'main');
    // The kubelet reports the restart after a moment.
    while ((await describeMain())?.restarts === 0) await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await describeMain())?.lastTermination).to.include({ exitCode: 137, reason: 'OOMKilled' });
    await worker.ownerFinished(owner);
  });

  it('is a fact beside another status that the command chose', async () => {
    const { container, owner } = await limited();
    const { exitStatus, oomKills } = await sh(container, `${hog}; echo "it was killed with $?"; exit 3`);
    expect(exitStatus).to.equal(3);
    expect(oomKills).to.be.greaterThanOrEqual(1);
    expect((await sh(container, 'exit 3')).oomKills).to.equal(undefined);
    await worker.ownerFinished(owner);
  });

  it('is reported for a sidecar, with its limit; the command continues, and the next one is not affected', async () => {
    const sidecars = [
      {
        name: 'database',
        image: shellImage,
        dir: '/tmp/build/test/out',
        command: ['sh', '-c', `while ! [ -e go ]; do sleep 0.1; done; rm go; exec ${hog}`],
        limits: { memoryBytes: limitBytes },
      },
    ];
    const { container, owner } = await limited({ sidecars });
    const stdout = new Collector();
    const script = 'echo begun; touch out/go; until [ -e out/end ]; do sleep 0.1; done; touch out/ended';
    const process = await container.run({ id: 'step', path: 'sh', args: ['-c', script] }, { stdout });
    await stdout.shows('begun');
    expect(await error(process)).to.include({
      code: 'KW_ERR_OUT_OF_MEMORY',
      podName: container.podName,
      containerName: 'database',
      limitBytes,
    });
    // Kubernetes has the time of an end in whole seconds: the next process has to start in another one.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const next = 'touch out/end; until [ -e out/ended ]; do sleep 0.1; done; exit 4';
    expect((await sh(container, next)).exitStatus).to.equal(4);
    await worker.ownerFinished(owner);
  });
});
