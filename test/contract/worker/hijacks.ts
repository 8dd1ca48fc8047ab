import { PassThrough } from 'node:stream';

import { expect } from 'chai';

import type { Worker } from '../../../src/index.ts';
import { Collector, makeContainer, sh, type WorkerSetup, withoutTimes } from './setup.ts';

/** Specifies hijacks of a container that is in use, for any cluster. */
export function describeHijacks(setup: () => WorkerSetup): void {
  describe('a hijack', () => {
    let worker: Worker;
    let other: Worker;

    before(async () => {
      [worker, other] = await Promise.all([setup().open(), setup().open()]);
    });

    after(async () => {
      await worker.reap();
      await Promise.all([worker.close(), other.close()]);
    });

    const shell = { path: 'sh', tty: { windowSize: { columns: 80, rows: 24 } } };

    it('is an interactive shell with its own status, and does not affect a running task', async () => {
      const { container, owner } = await makeContainer(worker, setup().image);
      const log = new Collector();
      const script = 'echo working; while ! [ -e go ]; do sleep 0.05; done; echo done; exit 5';
      const task = await container.run({ id: 'task', path: 'sh', args: ['-c', script] }, { stdout: log });
      const found = await other.lookupContainer(container.handle);
      const [stdin, stdout] = [new PassThrough(), new Collector()];
      const hijack = await found!.run({ ...shell, id: 'hijack' }, { stdin, stdout });
      await hijack.resize({ columns: 100, rows: 30 });
      stdin.write('cd /tmp/build/test; stty size; test -e go || touch go; exit 3\r');
      expect(withoutTimes(await hijack.wait())).to.deep.equal({ exitStatus: 3 });
      expect(stdout.text).to.contain('30 100\r\n');
      expect(withoutTimes(await task.wait())).to.deep.equal({ exitStatus: 5 });
      expect(log.text).to.equal('working\ndone\n');
      for (const [id, exitStatus] of [
        ['task', 5],
        ['hijack', 3],
      ] as const)
        expect((await (await container.attach(id, {})).wait()).exitStatus, id).to.equal(exitStatus);
      await worker.ownerFinished(owner);
    });

    it('protects its container from the reaper until it has ended', async () => {
      const { container, owner } = await makeContainer(worker, setup().image);
      const found = await other.lookupContainer(container.handle);
      const [stdin, stdout] = [new PassThrough(), new Collector()];
      const hijack = await found!.run(shell, { stdin, stdout });
      await worker.ownerFinished(owner);
      await worker.reap();
      expect(await setup().podNames()).to.include(container.podName);
      stdin.write('echo "still $((40 + 2))"; exit\r');
      await hijack.wait();
      expect(stdout.text).to.contain('still 42');
      await worker.reap();
      expect(await setup().podNames()).to.not.include(container.podName);
    });

    it('is not assumed for a command without typed input', async () => {
      const { container, owner } = await makeContainer(worker, setup().image);
      const found = await other.lookupContainer(container.handle);
      const waiting = await found!.run({ path: 'sleep', args: ['600'], tty: {} }, {});
      await sh(found!, 'true');
      await worker.ownerFinished(owner);
      await worker.reap();
      expect(await setup().podNames()).to.not.include(container.podName);
      await waiting[Symbol.asyncDispose]();
    });
  });
}
