import { randomUUID } from 'node:crypto';
import { PassThrough, Writable } from 'node:stream';

import { expect } from 'chai';

import type { KubernetesWorker } from '../../../src/index.ts';
import { Collector, makeContainer } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';

const image = 'busybox:1';

describe('the outcome of a process', () => {
  let worker: KubernetesWorker;
  let setup: EmbeddedWorker['setup'];
  let close: (() => Promise<void>) | undefined;

  before(async () => {
    ({ setup, worker, close } = await embeddedWorker(image));
  });

  after(async () => {
    await close?.();
  });

  it('is the end of its pod if it exits 0 on the TERM of a deletion: no result is returned or stored', async () => {
    const { container, owner } = await makeContainer(worker, image);
    const stdout = new Collector();
    const script = 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done';
    const process = await container.run({ id: 'step', path: 'sh', args: ['-c', script] }, { stdout });
    await stdout.shows('ready');
    const waiting = rejection(process.wait());
    await setup.deletePod(container.podName);
    expect(await waiting).to.include({ code: 'KW_ERR_POD_DELETED', mayStillRun: false });
    const found = await worker.lookupContainer(container.handle);
    expect((await rejection(found!.attach('step', {}))).code).to.equal('KW_ERR_CONTAINER_DISAPPEARED');
    await worker.ownerFinished(owner);
  });

  it('is known after its pod ended, and so is the output that a slow reader did not receive', async () => {
    const { container, owner } = await makeContainer(worker, image);
    const [id, size] = [randomUUID(), 2_948_894];
    const held = Promise.withResolvers<void>();
    let taken = 0;
    const slow = new Writable({
      highWaterMark: 1,
      write: (chunk: Buffer, _encoding, done) => {
        void held.promise.then(() => {
          taken += chunk.byteLength;
          done();
        });
      },
    });
    const process = await container.run({ id, path: 'head', args: ['-c', `${size}`, '/dev/zero'] }, { stdout: slow });
    const waiting = process.wait();
    const other = await setup.openWith({});
    const whole = await (await other.lookupContainer(container.handle))!.attach(id, {});
    expect((await whole.wait()).exitStatus).to.equal(0);
    await other.close();
    await setup.deletePod(container.podName);
    held.resolve();
    const { exitStatus, undelivered = [] } = await waiting;
    expect([exitStatus, undelivered.map(({ stream }) => stream)]).to.deep.equal([0, ['stdout']]);
    expect(undelivered[0]?.cause).to.include({ code: 'KW_ERR_OUTPUT_FREED', fromBytes: taken, toBytes: size });
    expect(taken).to.be.below(size);
    await worker.ownerFinished(owner);
  });

  it('is its own if another host takes over its stdin and ends: the rest of the stdin of the first host arrives', async () => {
    const { container, owner } = await makeContainer(worker, image);
    const [stdin, stdout] = [new PassThrough(), new Collector()];
    const process = await container.run({ id: 'fed', path: 'cat' }, { stdin, stdout });
    stdin.write('first ');
    await stdout.shows('first ');
    const other = await setup.openWith({});
    const same = new PassThrough();
    const again = await (await other.lookupContainer(container.handle))!.run(
      { id: 'fed', path: 'cat' },
      { stdin: same },
    );
    same.write('first sec');
    await stdout.shows('first sec');
    stdin.end('second');
    await other.close();
    expect((await process.wait()).exitStatus).to.equal(0);
    expect(stdout.text).to.equal('first second');
    await again[Symbol.asyncDispose]();
    await worker.ownerFinished(owner);
  });

  it('is decided while it waits for a place: each of ten processes that are aborted at once is stopped', async () => {
    const tight = await setup.openWith({ maxAttachments: 1 });
    const { container, owner } = await makeContainer(tight, image);
    const begun = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        container.run({ id: `build-${index}`, path: 'sleep', args: ['600'] }, {}),
      ),
    );
    const stop = new AbortController();
    const waiting = begun.map((process) => rejection(process.wait({ signal: stop.signal })));
    stop.abort(new Error('enough'));
    for (const error of await Promise.all(waiting)) expect(error.message).to.equal('enough');
    await tight.close();
    for (const { id } of begun) {
      const ended = await (await worker.lookupContainer(container.handle))!.attach(id, {});
      expect(await ended.wait()).to.include({ exitStatus: 143, signal: 15 });
    }
    await worker.ownerFinished(owner);
  });
});
