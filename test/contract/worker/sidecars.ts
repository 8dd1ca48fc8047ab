import { Writable } from 'node:stream';

import { expect } from 'chai';

import type { ProcessIO, SidecarSpec, Worker } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { Collector, makeContainer, type WorkerSetup, withoutTimes } from './setup.ts';

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

    it('delivers its log to its own writable, one line per chunk, beside the output of the command [A35]', async () => {
      const { container, owner } = await containerWith(
        sidecar('counter', 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo "counted $i"; done; touch counted'),
        sidecar('talker', 'echo out; echo err >&2; touch talked'),
      );
      const [stdout, counter, talker] = [new Collector(), new Collector(), new Collector()];
      const process = await container.run(
        task('while ! [ -e counted ] || ! [ -e talked ]; do sleep 0.05; done; echo ran'),
        {
          stdout,
          sidecars: { counter, talker },
        },
      );
      expect(withoutTimes(await process.wait())).to.deep.equal({ exitStatus: 0 });
      expect(stdout.text).to.equal('ran\n');
      expect(counter.chunks).to.deep.equal(Array.from({ length: 200 }, (_, index) => `counted ${index + 1}\n`));
      expect([...talker.chunks].sort()).to.deep.equal(['err\n', 'out\n']);
      expect([counter.writableEnded, talker.writableEnded]).to.deep.equal([false, false]);
      await worker.ownerFinished(owner);
    });

    it('never delays the result, even with a slow writable, and a failed writable is reported [A35] [A36]', async () => {
      const { container, owner } = await containerWith(
        sidecar('one', 'echo one; echo more; touch one'),
        sidecar('two', 'echo two; touch two'),
      );
      let began: () => void = () => {};
      const writing = new Promise<void>((resolve) => {
        began = resolve;
      });
      const hanging = new Writable({ highWaterMark: 1, write: () => began() });
      const cause = new Error('the log is gone');
      const failing = new Writable({ write: (_chunk, _encoding, done) => done(cause) });
      const io: ProcessIO = { sidecars: { one: hanging, two: failing } };
      const process = await container.run(
        task('while ! [ -e one ] || ! [ -e two ]; do sleep 0.05; done; sleep 0.3; exit 4'),
        io,
      );
      await writing;
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
      const script = 'echo "run $(ls | wc -l)"; if ! [ -e first ]; then touch first; exit 7; fi; touch second';
      const { container, owner } = await containerWith(sidecar('crashing', script));
      const crashing = new Collector();
      const process = await container.run(task('while ! [ -e second ]; do sleep 0.05; done; sleep 1; exit 2'), {
        sidecars: { crashing },
      });
      const result = await process.wait();
      expect(crashing.chunks).to.deep.equal(['run 0\n', 'run 1\n']);
      // A crash before the start of the command is not reported.
      for (const end of result.sidecarEnds ?? []) expect(end).to.include({ name: 'crashing', times: 1, exitCode: 7 });
      expect(result.exitStatus).to.equal(2);
      await worker.ownerFinished(owner);
    });

    it('that crashes while the command runs is reported in its result', async () => {
      const { container, owner } = await containerWith(
        sidecar(
          'crashing',
          'if [ -e again ]; then touch second; else while ! [ -e now ]; do sleep 0.05; done; touch again; exit 7; fi',
        ),
      );
      const process = await container.run(
        task('touch now; while ! [ -e second ]; do sleep 0.05; done; sleep 1; exit 2'),
        {},
      );
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
