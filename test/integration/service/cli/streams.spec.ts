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

  const run = (command: readonly string[], output: readonly string[] = []): Promise<number> =>
    runOnce(
      embedded.worker,
      planRun({ image: 'busybox:1', command, input: [`${join(home, 'source')}:source`], output, env: [] }),
      { stdin: false, tty: false, force: false, isQuiet: true },
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

  it('refuse a target that exists before a container is created', async () => {
    const created = sinon.spy(embedded.worker, 'findOrCreateContainer');
    const error = await rejection(run(['true'], [`out=${join(home, 'source')}`]));
    created.restore();
    expect(error).to.include({ exitCode: 64 });
    expect(created.callCount).to.equal(0);
  });
});
