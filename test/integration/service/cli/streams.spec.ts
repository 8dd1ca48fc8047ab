import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';

import { expect } from 'chai';
import sinon from 'sinon';

import { packFolder } from '../../../../src/index.ts';
import type { CliContext } from '../../../../src/service/cli/cli-context.ts';
import { copy, planCopy } from '../../../../src/service/cli/copy/copy.ts';
import type { Copied } from '../../../../src/service/cli/copy/counted.ts';
import { runOnce } from '../../../../src/service/cli/run/run-once.ts';
import { planRun } from '../../../../src/service/cli/run/run-plan.ts';
import { withEmbeddedWorker } from '../../../support/embedded-worker.ts';
import { rejection } from '../../../support/rejection.ts';

/** `test/long/service` runs the same through the program. */
describe('the streams of the command line', () => {
  const embedded = withEmbeddedWorker('busybox:1');
  let home: string;
  let context: CliContext & { readonly stdout: PassThrough; readonly stderr: PassThrough };

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'kw-streams-'));
    await mkdir(join(home, 'source', 'deep'), { recursive: true });
    await writeFile(join(home, 'source', 'deep', 'file'), 'x'.repeat(100_000), { mode: 0o640 });
  });

  after(async () => {
    await rm(home, { recursive: true });
  });

  beforeEach(() => {
    const { signal } = new AbortController();
    const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
    context = { ...streams, env: {}, signal };
  });

  const run = (
    command: readonly string[],
    output: readonly string[] = [],
    { force = false }: { readonly force?: boolean } = {},
  ): Promise<number> =>
    runOnce(
      embedded.worker,
      planRun({ image: 'busybox:1', command, input: [`${join(home, 'source')}:source`], output, env: [] }),
      { stdin: false, tty: false, force, isQuiet: true },
      context,
    );

  it('copy a folder in and out, with the digest of the agent', async () => {
    const { volume } = await embedded.worker.createVolumeForArtifact('main');
    const cp = (from: string, to: string): Promise<Copied> =>
      copy(embedded.worker, planCopy(from, to), { force: false, isQuiet: true }, context);
    const up = await cp(join(home, 'source'), `volume:${volume.handle}`);
    expect(await cp(`volume:${volume.handle}`, join(home, 'copy'))).to.deep.equal(up);
    execFileSync('diff', ['-r', join(home, 'source'), join(home, 'copy')]);
    expect((await volume.status()).digest).to.equal(up.digest);
  });

  it('read a folder again if a file changes during the read', async () => {
    const { volume } = await embedded.worker.createVolumeForArtifact('main');
    const folder = join(home, 'changing');
    await mkdir(folder);
    await writeFile(join(folder, 'log'), Buffer.alloc(1_000_000, 'a'));
    await utimes(join(folder, 'log'), 1, 1);
    let reads = 0;
    const open = async function* (): AsyncGenerator<Uint8Array> {
      reads += 1;
      const isFirst = reads === 1;
      for await (const chunk of packFolder(folder)) {
        yield chunk;
        if (isFirst) await writeFile(join(folder, 'log'), Buffer.alloc(1_000_000, 'b'));
      }
    };
    await volume.streamIn('', open);
    expect(reads).to.equal(2);
    expect(Buffer.from(await volume.readFile('log')).every((byte) => byte === 0x62)).to.equal(true);
  });

  it('run a command with an input and an output, and leave no container', async () => {
    const target = join(home, 'result');
    expect(await run(['sh', '-c', 'cp -r source/deep out/; echo done; exit 4'], [`out=${target}`])).to.equal(4);
    expect([String(context.stdout.read()), await readdir(target)]).to.deep.equal(['done\n', ['deep']]);
    expect((await embedded.worker.listContainers()).containers).to.deep.equal([]);
    expect(process.listenerCount('exit')).to.be.lessThan(10);
  });

  it('run a command, and keep its status if what follows fails', async () => {
    const reap = sinon.stub(embedded.worker, 'reap').rejects(new Error('no right to list config maps'));
    try {
      expect(await run(['sh', '-c', 'exit 6'])).to.equal(6);
      expect(String(context.stderr.read())).to.equal(
        'warning: the pass of the reaper has failed: no right to list config maps\n',
      );
      const finished = sinon.stub(embedded.worker, 'ownerFinished').rejects(new Error('no database'));
      try {
        expect(await run(['sh', '-c', 'exit 7'])).to.equal(7);
        expect(String(context.stderr.read())).to.equal('warning: the container is not deleted: no database\n');
        expect((await rejection(run(['none']))).message).to.contain('none');
      } finally {
        finished.restore();
      }
    } finally {
      reap.restore();
    }
    const { containers } = await embedded.worker.listContainers();
    for (const { owner } of containers) await embedded.worker.ownerFinished(owner, { deletePod: {} });
    await embedded.worker.reap();
  });

  it('write each output, whichever of them fails', async () => {
    const [blocked, written] = [join(home, 'blocked'), join(home, 'written')];
    await writeFile(blocked, 'a file');
    const script = 'echo 1 > out/one; echo 2 > more/two';
    const running = run(['sh', '-c', script], [`out=${blocked}`, `more=${written}`], { force: true });
    const error = await rejection(running);
    expect(error).to.include({ exitCode: 64, message: `${blocked} is a file, and the source is a folder` });
    expect(await readdir(written)).to.deep.equal(['two']);
    expect(String(context.stderr.read())).to.match(/^warning: output out is not written to .*blocked: /);
  });

  it('refuse a target that exists before a container is created', async () => {
    const created = sinon.spy(embedded.worker, 'findOrCreateContainer');
    const error = await rejection(run(['true'], [`out=${join(home, 'source')}`]));
    created.restore();
    expect(error).to.include({ exitCode: 64 });
    expect(created.callCount).to.equal(0);
  });
});
