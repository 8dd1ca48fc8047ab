import { createHash, randomBytes } from 'node:crypto';
import { PassThrough, Readable, Writable } from 'node:stream';

import { expect } from 'chai';

import type { EmbeddedCluster } from '../../../src/embedded/index.ts';
import type { KubernetesWorker, OutputChunk } from '../../../src/index.ts';
import { Collector, makeContainer, sh } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';

const image = 'busybox:1';

describe('a process with failures', () => {
  let cluster: EmbeddedCluster;
  let worker: KubernetesWorker;
  let setup: EmbeddedWorker['setup'];
  let close: (() => Promise<void>) | undefined;

  before(async () => {
    ({ cluster, setup, worker, close } = await embeddedWorker(image));
  });

  after(async () => {
    await close?.();
  });

  it('transfers 64 MiB through stdin and stdout of a command with a connection that is cut five times', async () => {
    const { container, owner } = await makeContainer(worker, image);
    const fresh = await setup.openWith({});
    const found = await fresh.lookupContainer(container.handle);
    const pieces = Array.from({ length: 64 }, () => randomBytes(1024 * 1024));
    const [sent, got] = [createHash('sha256'), createHash('sha256')];
    for (const piece of pieces) sent.update(piece);
    const stdout = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        got.update(chunk);
        done();
      },
    });
    const cut = cluster.faults.add({
      kind: 'drop',
      afterBytes: 10_000_000,
      direction: 'in',
      times: 5,
      match: { resource: 'pods', subresource: 'exec' },
    });
    const process = await found!.run({ path: 'cat' }, { stdin: Readable.from(pieces), stdout });
    expect((await process.wait()).exitStatus).to.equal(0);
    expect(process.position()).to.deep.equal({ stdoutBytes: 64 * 1024 * 1024, stderrBytes: 0 });
    expect([cut.hits, got.digest('hex')]).to.deep.equal([5, sent.digest('hex')]);
    cut.remove();
    await fresh.close();
    await worker.ownerFinished(owner);
  });

  it('delivers chunks that a host stores without gap or overlap, over cuts and in the next host', async () => {
    const { container, owner } = await makeContainer(worker, image);
    const spec = { id: 'chunks', path: 'sh', args: ['-c', 'head -c 8000000 /dev/urandom | tee random; read -r line'] };
    const stored: Uint8Array[] = [];
    let position = 0;
    const shutdown = new AbortController();
    const store = async ({ offset, bytes }: OutputChunk): Promise<void> => {
      expect(offset).to.equal(position);
      stored.push(bytes);
      position = offset + bytes.byteLength;
      if (position > 5_000_000) shutdown.abort();
    };
    const cut = cluster.faults.add({
      kind: 'drop',
      afterBytes: 1_000_000,
      direction: 'out',
      times: 3,
      match: { resource: 'pods', subresource: 'exec' },
    });
    const first = await setup.openWith({});
    const stdin = new PassThrough();
    const process = await (await first.lookupContainer(container.handle))!.run(spec, { stdin, output: store });
    const error = await rejection(process.wait({ detachSignal: shutdown.signal }));
    expect([error.code, cut.hits]).to.deep.equal(['KW_ERR_PROCESS_DETACHED', 3]);
    cut.remove();
    await first.close();
    const from = { stdoutBytes: position, stderrBytes: 0 };
    const io = { stdin: Readable.from(['end\n']), output: store };
    const again = await container.attach('chunks', io, { from });
    expect((await again.wait()).exitStatus).to.equal(0);
    const { stdout: digest } = await sh(container, 'sha256sum < random');
    expect(createHash('sha256').update(Buffer.concat(stored)).digest('hex')).to.equal(digest.split(' ')[0]);
    await worker.ownerFinished(owner);
  });

  it('keeps its terminal: typed input continues, and the terminal can be resized', async () => {
    const { container, owner } = await makeContainer(worker, image);
    const fresh = await setup.openWith({});
    const found = await fresh.lookupContainer(container.handle);
    using cut = cluster.faults.add({
      kind: 'drop',
      afterBytes: 3_000,
      direction: 'in',
      times: 4,
      match: { resource: 'pods', subresource: 'exec' },
    });
    const [keys, screen] = [new PassThrough(), new Collector()];
    const script = 'stty -echo; echo ready; while read -r line; do echo "$line in $(stty size)"; done; exit 2';
    const process = await found!.run({ path: 'sh', args: ['-c', script], tty: {} }, { stdin: keys, stdout: screen });
    await screen.shows('ready');
    await process.resize({ columns: 90, rows: 40 });
    for (let line = 1; line <= 60; line += 1) {
      keys.write(`line ${line} ${'-'.repeat(200)}\r`);
      await screen.shows(`line ${line} `);
    }
    keys.write('\x04');
    expect((await process.wait()).exitStatus).to.equal(2);
    const wanted = Array.from({ length: 60 }, (_, index) => `line ${index + 1} ${'-'.repeat(200)} in 40 90\r\n`);
    expect(screen.text).to.equal(`ready\r\n${wanted.join('')}`);
    expect(cut.hits).to.equal(4);
    await fresh.close();
    await worker.ownerFinished(owner);
  });

  it('is started once if two hosts race for it over lost connections', async () => {
    const { container, owner } = await makeContainer(worker, image);
    const hosts = await Promise.all([1, 2, 3].map(() => setup.openWith({})));
    using _cut = cluster.faults.add({
      kind: 'drop',
      afterBytes: 700,
      direction: 'in',
      times: 3,
      match: { resource: 'pods', subresource: 'exec' },
    });
    const ran = await Promise.all(
      hosts.map(
        async (host) =>
          await sh((await host.lookupContainer(container.handle))!, 'echo once >> count; sleep 0.3; wc -l < count', {
            id: 'race',
          }),
      ),
    );
    for (const { stdout, exitStatus } of ran) expect([stdout, exitStatus]).to.deep.equal(['1\n', 0]);
    for (const host of hosts) await host.close();
    await worker.ownerFinished(owner);
  });

  it('is never reported missing only because its connection is blocked [A23]', async () => {
    const { container, owner } = await makeContainer(worker, image);
    await sh(container, 'exit 3', { id: 'there' });
    for (const status of [404, 500, 503] as const) {
      const fresh = await setup.openWith({ reconnectTimeoutMs: 20_000 });
      const found = await fresh.lookupContainer(container.handle);
      using blocked = cluster.faults.add({
        kind: 'status',
        status,
        times: 2,
        match: { resource: 'pods', subresource: 'exec' },
      });
      const attached = await found!.attach('there', {}).catch((error: unknown) => error as Error & { code: string });
      if (attached instanceof Error) expect(attached.code, `${status}`).to.not.equal('KW_ERR_PROCESS_NOT_FOUND');
      else expect((await attached.wait()).exitStatus).to.equal(3);
      expect(blocked.hits).to.be.greaterThan(0);
      await fresh.close();
    }
    await worker.ownerFinished(owner);
  });

  it('stops after an aborted wait(), including processes in other sessions', async () => {
    const { container, owner } = await makeContainer(worker, image);
    const abort = new AbortController();
    const stdout = new Collector();
    const script = 'setsid sh -c "trap : TERM; echo escaped; while :; do sleep 0.05; touch alive; done" & wait';
    const process = await container.run({ path: 'sh', args: ['-c', script] }, { stdout });
    await stdout.shows('escaped');
    const waiting = rejection(process.wait({ signal: abort.signal }));
    abort.abort(new Error('enough'));
    expect((await waiting).message).to.equal('enough');
    expect((await sh(container, 'rm -f alive; sleep 0.3; ls')).stdout).to.equal('');
    await worker.ownerFinished(owner);
  });

  it('reports that a sidecar ran out of memory, with its limit, while the command continues', async () => {
    const sidecars = [
      {
        name: 'database',
        image,
        command: ['sh', '-c', 'while :; do sleep 1; done'],
        limits: { memoryBytes: 32 * 1024 * 1024 },
      },
    ];
    const { container, owner } = await makeContainer(worker, image, { sidecars });
    const script = 'until [ -e go ]; do sleep 0.05; done; touch ended';
    const process = await container.run({ id: 'step', path: 'sh', args: ['-c', script] }, {});
    const waiting = rejection(process.wait());
    cluster.killContainer(
      { namespace: 'default', pod: container.podName, container: 'database' },
      'SIGKILL',
      'OOMKilled',
    );
    expect(await waiting).to.include({
      code: 'KW_ERR_OUT_OF_MEMORY',
      containerName: 'database',
      limitBytes: 32 * 1024 * 1024,
    });
    // Kubernetes has the time of an end in whole seconds: the next process has to start in another one.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const { exitStatus } = await sh(container, 'touch go; until [ -e ended ]; do sleep 0.05; done; exit 4');
    expect(exitStatus).to.equal(4);
    await worker.ownerFinished(owner);
  });
});
