import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';

import { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { StoreTransfers } from '../../../src/archives/store-transfers.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import type { ArchiveReference } from '../../../src/repository/records.ts';
import { PartBuffers } from '../../../src/stores/s3/part-buffers.ts';
import { openS3Store, type S3Store } from '../../../src/stores/s3/s3-store.ts';
import { makeTree } from '../../integration/agent/tar-tree.ts';
import { long, oddTree } from '../../integration/archives/odd-tree.ts';
import { AgentProcess, agentBinary } from '../../support/agent/agent-process.ts';
import { AgentFrames } from '../../support/agent-frames.ts';
import { archiveKeyOfTests as key, referenceTo, sha256 } from '../../support/archives.ts';
import { PipeConnection } from '../../support/pipe-connection.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { hasS3Server, Versitygw } from '../../support/stores/versitygw.ts';

for (const isTls of [false, true])
  describe(`archives of pods on versitygw ${isTls ? 'with' : 'without'} TLS`, () => {
    const transfers = new StoreTransfers({ clock: systemClock(), stallMs: 60_000 });
    let server: Versitygw;
    let store: S3Store;
    let agents: readonly AgentProcess[] = [];
    let clients: readonly AgentClient[] = [];
    let archive: ArchiveReference;
    let object: string;
    let whole: Buffer;

    const sent = async (client: AgentClient, volume: string, path?: string): Promise<Buffer> =>
      await buffer((await client.send({ volume, path })).readable);
    const load = async (volume: string) =>
      await transfers.load(store, archive, { pods: new AgentFrames(clients[1]!), location: { volume } });
    const stream = async (): Promise<Buffer> => await buffer((await transfers.open(store, archive, '')).archive);

    before(async function () {
      if (!(await hasS3Server())) return this.skip();
      server = await Versitygw.start({ isTls });
      const components = { clock: systemClock(), logger: silentLogger, buffers: new PartBuffers() };
      store = openS3Store(server.options(), components);
      agents = [await AgentProcess.start(), await AgentProcess.start()];
      clients = agents.map(
        ({ folder }) =>
          new AgentClient({
            connect: () => Promise.resolve(new PipeConnection(agentBinary(), folder)),
            clock: systemClock(),
            logger: silentLogger,
            podName: 'pod',
            handle: 'box',
          }),
      );
      const data = join(agents[0]!.folder, 'volumes/v/data');
      await mkdir(data, { recursive: true });
      await makeTree(data, oddTree);
      whole = await sent(clients[0]!, 'v');
    });

    beforeEach(async () => {
      await store.delete(key);
      const pods = new AgentFrames(clients[0]!);
      const content = await transfers.save(store, key, (options) => pods.sendFrames({ volume: 'v' }, options));
      archive = referenceTo(content, store.name);
      const files = await readdir(server.objects, { recursive: true });
      object = join(server.objects, files.find((file) => file.endsWith('.tar.zst'))!);
    });

    after(async () => {
      for (const client of clients) client.close();
      await Promise.all(agents.map((agent) => agent[Symbol.asyncDispose]()));
      await store?.close();
      await server?.[Symbol.asyncDispose]();
    });

    it('keep odd names, modes, times and links', async () => {
      expect(archive).to.include({ rawBytes: whole.length, digest: sha256(whole) });
      await load('loaded');
      expect((await sent(clients[1]!, 'loaded')).equals(whole)).to.equal(true);
      for (const path of ['', 'dir/empty', `dir/${long}/${long}`, 'dir/outside', 'through', 'große Tür 東京']) {
        const { archive: opened } = await transfers.open(store, archive, path);
        expect((await buffer(opened)).equals(await sent(clients[0]!, 'v', path)), path).to.equal(true);
      }
    });

    for (const [what, alter] of [
      [
        'a byte was altered',
        async () => {
          const bytes = await readFile(object);
          bytes[bytes.length - 100_000]! ^= 1;
          await writeFile(object, bytes);
        },
      ],
      ['it was cut', () => truncate(object, 100_000)],
      ['bytes were appended', () => writeFile(object, 'more', { flag: 'a' })],
      ['it was emptied', () => truncate(object)],
    ] as const)
      it(`are damaged if the object is another one: ${what}`, async () => {
        await alter();
        for (const reading of [() => load('damaged'), stream])
          expect(await rejection(reading())).to.include({ code: 'KW_ERR_ARCHIVE_DAMAGED', store: 's3', key });
        expect(await sent(clients[1]!, 'damaged').catch(() => Buffer.alloc(0))).to.have.length.below(2_000);
      });

    it('are missing if the object was removed', async () => {
      await rm(object);
      for (const reading of [() => load('missing'), stream])
        expect(await rejection(reading())).to.include({ code: 'KW_ERR_ARCHIVE_MISSING', store: 's3', key });
    });
  });
