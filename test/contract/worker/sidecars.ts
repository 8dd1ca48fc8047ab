import { Writable } from 'node:stream';

import { expect } from 'chai';

import type { Container, ProcessIO, SidecarSpec, Worker } from '../../../src/index.ts';
import { until } from '../../support/agent/agent-process.ts';
import { rejection } from '../../support/rejection.ts';
import { Collector, makeContainer, run, type WorkerSetup, withoutTimes } from './setup.ts';

/** Specifies processes with sidecars, for any cluster. */
export function describeSidecars(setup: () => WorkerSetup): void {
  describe('a sidecar', () => {
    let worker: Worker;

    before(async () => {
      worker = await setup().open();
    });

    after(async () => {
      await worker.reap();
      await worker.close();
    });

    const shared = '/tmp/build/test/shared';
    const sidecar = (name: string, script: string): SidecarSpec => ({
      name,
      image: setup().image,
      command: ['sh', '-c', `trap 'exit 0' TERM; ${script}; while :; do sleep 0.1; done`],
      dir: shared,
    });
    const containerWith = async (...sidecars: SidecarSpec[]) =>
      await makeContainer(worker, setup().image, { outputs: { shared: 'shared' }, sidecars });
    const task = (script: string) => ({ path: 'sh', args: ['-c', script], dir: shared });
    /** A command that ends when `end` has made its file. */
    const waiting = (exitStatus: number) => task(`while ! [ -e end ]; do sleep 0.05; done; exit ${exitStatus}`);
    const end = async (container: Container) => await run(container, task('touch end'));

    it('delivers its log to its own writable, one line per chunk, beside the output of the command [A35]', async () => {
      const { container, owner } = await containerWith(
        sidecar('counter', 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo "counted $i"; done'),
        sidecar('talker', 'echo out; echo err >&2'),
      );
      const [stdout, counter, talker] = [new Collector(), new Collector(), new Collector()];
      const command = task('while ! [ -e end ]; do sleep 0.05; done; echo ran');
      const process = await container.run(command, { stdout, sidecars: { counter, talker } });
      await counter.shows('counted 200\n');
      for (const line of ['out\n', 'err\n']) await talker.shows(line);
      await end(container);
      expect(withoutTimes(await process.wait())).to.deep.equal({ exitStatus: 0 });
      expect(stdout.text).to.equal('ran\n');
      expect(counter.chunks).to.deep.equal(Array.from({ length: 200 }, (_, index) => `counted ${index + 1}\n`));
      expect([...talker.chunks].sort()).to.deep.equal(['err\n', 'out\n']);
      expect([counter.writableEnded, talker.writableEnded]).to.deep.equal([false, false]);
      await worker.ownerFinished(owner);
    });

    it('never delays the result, even with a slow writable, and a failed writable is reported [A35] [A36]', async () => {
      const { container, owner } = await containerWith(
        sidecar('one', 'echo one; echo more'),
        sidecar('two', 'echo two'),
      );
      const [writing, failed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const hanging = new Writable({ highWaterMark: 1, write: () => writing.resolve() });
      const cause = new Error('the log is gone');
      const failing = new Writable({
        write: (_chunk, _encoding, done) => {
          done(cause);
          failed.resolve();
        },
      });
      const io: ProcessIO = { sidecars: { one: hanging, two: failing } };
      const process = await container.run(waiting(4), io);
      await Promise.all([writing.promise, failed.promise]);
      await end(container);
      expect(withoutTimes(await process.wait())).to.deep.equal({
        exitStatus: 4,
        undelivered: [{ stream: 'sidecar', sidecar: 'two', cause }],
      });
      for (const event of ['drain', 'close']) expect(hanging.listenerCount(event), event).to.equal(0);
      // Its pending write may still fail, which must not end this program.
      hanging.destroy(new Error('late'));
      await new Promise((resolve) => hanging.once('close', resolve));
      await worker.ownerFinished(owner);
    });

    it('that crashes is restarted and reported, with the output of both runs [A35]', async () => {
      const script = 'echo "run $(ls | wc -l)"; if ! [ -e first ]; then touch first; exit 7; fi';
      const { container, owner } = await containerWith(sidecar('crashing', script));
      const crashing = new Collector();
      const process = await container.run(waiting(2), { sidecars: { crashing } });
      await crashing.shows('run 1\n');
      await end(container);
      const result = await process.wait();
      expect(crashing.chunks).to.deep.equal(['run 0\n', 'run 1\n']);
      // A crash before the start of the command is not reported.
      for (const end of result.sidecarEnds ?? []) expect(end).to.include({ name: 'crashing', times: 1, exitCode: 7 });
      expect(result.exitStatus).to.equal(2);
      await worker.ownerFinished(owner);
    });

    it('that crashes while the command runs is reported in its result', async () => {
      const { container, owner } = await containerWith(
        sidecar('crashing', 'if ! [ -e again ]; then while ! [ -e now ]; do sleep 0.05; done; touch again; exit 7; fi'),
      );
      const process = await container.run(task('touch now; while ! [ -e end ]; do sleep 0.05; done; exit 2'), {});
      await until('the sidecar runs again', async () => {
        const { containers } = await container.describe();
        return containers.some(({ name, restarts }) => name === 'crashing' && restarts > 0);
      });
      await end(container);
      expect(withoutTimes(await process.wait())).to.deep.equal({
        exitStatus: 2,
        sidecarEnds: [{ name: 'crashing', times: 1, exitCode: 7, reason: 'Error' }],
      });
      await worker.ownerFinished(owner);
    });

    it('that does not exist has no writable', async () => {
      const { container, owner } = await containerWith();
      const sidecars = { nobody: new Collector() };
      expect(await rejection(container.run({ path: 'true' }, { sidecars }))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'sidecars.nobody',
      });
      await worker.ownerFinished(owner);
    });
  });
}
