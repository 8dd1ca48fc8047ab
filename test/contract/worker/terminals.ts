import { PassThrough } from 'node:stream';

import { expect } from 'chai';

import type { Container, Worker } from '../../../src/index.ts';
import { Collector, makeContainer, sh, type WorkerSetup, withoutTimes } from './setup.ts';

/** Specifies processes with a terminal, for any cluster. */
export function describeTerminals(setup: () => WorkerSetup): void {
  describe('a terminal', () => {
    let worker: Worker;
    let container: Container;
    let finish: () => Promise<void>;

    before(async () => {
      worker = await setup().open();
      const made = await makeContainer(worker, setup().image);
      container = made.container;
      finish = () => worker.ownerFinished(made.owner);
    });

    after(async () => {
      await finish();
      await worker.reap();
      await worker.close();
    });

    it('has 500 columns and rows by default, so that nothing is wrapped', async () => {
      expect((await sh(container, 'stty size', { tty: {} })).stdout).to.equal('500 500\r\n');
    });

    it('reports a new size to the program, and passes every key unchanged to a program in raw mode', async () => {
      const script = `
        before=$(stty size); echo "before $before"
        while [ "$(stty size)" = "$before" ]; do sleep 0.02; done
        echo "after $(stty size)"
        stty raw -echo; echo raw
        dd bs=1 count=6 2>/dev/null | od -An -tx1
        stty sane; echo cooked
        read -r line; echo "line $line"; exit 3`;
      const [stdin, stdout] = [new PassThrough(), new Collector()];
      const process = await container.run(
        { path: 'sh', args: ['-c', script], tty: { windowSize: { columns: 80, rows: 24 } } },
        { stdin, stdout },
      );
      await stdout.shows('before 24 80\r\n');
      await process.resize({ columns: 132, rows: 43 });
      await stdout.shows('after 43 132\r\n');
      await stdout.shows('raw');
      // Interrupt, end of input, stop, escape, return: a terminal outside raw mode converts them to
      // signals and line ends.
      stdin.write(Buffer.from([0x03, 0x04, 0x1a, 0x1b, 0x0d, 0x69]));
      await stdout.shows('cooked\r\n');
      stdin.write('typed\r');
      expect(withoutTimes(await process.wait())).to.deep.equal({ exitStatus: 3 });
      expect(stdout.text).to.match(/ 03 04 1a 1b 0d 69\s/);
      expect(stdout.text).to.contain('line typed\r\n');
    });

    it('interrupts the command by its key', async () => {
      const [stdin, stdout] = [new PassThrough(), new Collector()];
      const process = await container.run(
        { path: 'sh', args: ['-c', 'echo ready; exec sleep 600'], tty: {} },
        { stdin, stdout },
      );
      await stdout.shows('ready');
      stdin.write('\x03');
      expect(withoutTimes(await process.wait())).to.deep.equal({ exitStatus: 130, signal: 2 });
    });

    it('outlives its host: another host continues to type, and receives the earlier output', async () => {
      const spec = {
        id: 'terminal',
        path: 'sh',
        args: ['-c', 'stty -echo; echo ready; while read -r line; do echo "got $line"; done'],
        tty: {},
      };
      const [first, firstKeys] = [new Collector(), new PassThrough()];
      const process = await container.run(spec, { stdin: firstKeys, stdout: first });
      await first.shows('ready');
      firstKeys.write('one\r');
      await first.shows('got one');
      await process[Symbol.asyncDispose]();
      const other = await setup().open();
      try {
        const [second, secondKeys] = [new Collector(), new PassThrough()];
        const again = await (await other.lookupContainer(container.handle))!.attach('terminal', {
          stdin: secondKeys,
          stdout: second,
        });
        await second.shows('got one');
        secondKeys.write('two\r');
        await second.shows('got two');
        secondKeys.write('\x04');
        expect(withoutTimes(await again.wait())).to.deep.equal({ exitStatus: 0 });
        expect(second.text).to.equal('ready\r\ngot one\r\ngot two\r\n');
      } finally {
        await other.close();
      }
    });
  });
}
