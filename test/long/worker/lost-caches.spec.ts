import { randomUUID } from 'node:crypto';
import { mkdtemp, open, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { FakeLogger } from '../../../fakes/index.ts';
import type { KubernetesWorker, StepProgress } from '../../../src/index.ts';
import { newOwner, sh } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { FolderArchiveStore } from '../../support/stores/folder-archive-store.ts';

const image = 'busybox:1';
const dir = '/tmp/build/test';

describe('a task cache whose archive another program has changed', () => {
  let world: EmbeddedWorker;
  let folder: string;
  let logger: FakeLogger;
  let worker: KubernetesWorker;

  beforeEach(async () => {
    world = await embeddedWorker(image);
    folder = await mkdtemp(join(tmpdir(), 'kw-lost-caches-'));
    logger = new FakeLogger();
    worker = await world.setup.openWith({ logger, stores: { custom: [new FolderArchiveStore(folder)] } });
  });

  afterEach(async () => {
    await worker?.close();
    await world?.close();
    await rm(folder, { recursive: true });
  });

  const build = async (step: { job: string; step: string }, script: string) => {
    const owner = newOwner();
    const events: StepProgress[] = [];
    const { container } = await worker.findOrCreateContainer(
      owner,
      { image, dir, caches: ['modules'], taskCache: step },
      { delegate: { progress: (event) => void events.push(event) } },
    );
    const { stdout, exitStatus, unsaved } = await sh(container, script);
    await worker.ownerFinished(owner);
    expect(unsaved).to.equal(undefined);
    return { stdout, exitStatus, events };
  };
  const archiveFile = async (): Promise<string> => {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    expect(files).to.have.lengthOf(1);
    return join(files[0]!.parentPath, files[0]!.name);
  };

  const changes: readonly [what: string, code: string, change: (file: string) => Promise<void>][] = [
    ['was removed', 'KW_ERR_ARCHIVE_MISSING', (file) => rm(file)],
    ['was cut', 'KW_ERR_ARCHIVE_DAMAGED', (file) => truncate(file, 200)],
    [
      'has one other byte',
      'KW_ERR_ARCHIVE_DAMAGED',
      async (file) => {
        await using opened = await open(file, 'r+');
        const byte = Buffer.alloc(1);
        await opened.read(byte, 0, 1, 100);
        await opened.write(Buffer.from([byte[0]! ^ 1]), 0, 1, 100);
      },
    ],
  ];

  for (const [what, code, change] of changes)
    it(`is a miss and a warning if the file ${what}: the build succeeds, and the next one has a cache [A40]`, async () => {
      const step = { job: randomUUID(), step: 'compile' };
      const script = 'if [ -e modules/data ]; then echo found; else seq 1000 > modules/data; echo made; fi';
      expect((await build(step, script)).stdout).to.equal('made\n');
      await change(await archiveFile());

      const second = await build(step, script);
      expect([second.exitStatus, second.stdout]).to.deep.equal([0, 'made\n']);
      const lost = second.events.filter((event) => event.kind === 'cache-lost');
      expect(lost.map(({ path }) => path)).to.deep.equal([`${dir}/modules`]);
      const warnings = logger.warn.getCalls().filter(({ args: [message] }) => message === 'task cache lost');
      expect(warnings.map(({ args: [, facts] }) => facts?.['error'])).to.have.nested.property('[0].code', code);

      const third = await build(step, script);
      expect(third.stdout).to.equal('found\n');
      expect(third.events.map(({ kind }) => kind)).to.not.include('cache-lost');
    });
});
