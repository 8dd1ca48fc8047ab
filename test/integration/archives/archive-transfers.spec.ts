import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';

import { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { StoreTransfers } from '../../../src/archives/store-transfers.ts';
import { ArchiveDamagedError } from '../../../src/errors/store.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import type { ArchiveReference } from '../../../src/repository/records.ts';
import { AgentProcess, agentBinary, until } from '../../support/agent/agent-process.ts';
import { AgentFrames } from '../../support/agent-frames.ts';
import { archiveKeyOfTests as key, referenceTo, sha256 } from '../../support/archives.ts';
import { PipeConnection, type PipeFaults } from '../../support/pipe-connection.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';
import { framesOf } from '../../unit/archives/format/archive-bytes.ts';
import { makeTree } from '../agent/tar-tree.ts';
import { long, oddTree } from './odd-tree.ts';

for (const keepsChunks of [true, false])
  describe(`StoreTransfers with agents and a store that keeps ${keepsChunks ? 'chunks' : 'no chunks'}`, () => {
    let from: AgentProcess;
    let to: AgentProcess;
    let whole: Buffer;
    const clients: AgentClient[] = [];
    const transfers = new StoreTransfers({ clock: systemClock(), stallMs: 60_000 });
    let store: MemoryArchiveStore;

    const dataOf = (agent: AgentProcess, volume: string): string => join(agent.folder, 'volumes', volume, 'data');

    function clientOf(agent: AgentProcess, ...faults: PipeFaults[]): AgentClient {
      const client = new AgentClient({
        connect: () => Promise.resolve(new PipeConnection(agentBinary(), agent.folder, faults.shift())),
        clock: systemClock(),
        logger: silentLogger,
        podName: 'pod',
        handle: 'box',
      });
      clients.push(client);
      return client;
    }

    async function sent(agent: AgentProcess, volume: string): Promise<Buffer> {
      return await buffer((await clientOf(agent).send({ volume })).readable);
    }

    async function saved(...faults: PipeFaults[]): Promise<ArchiveReference> {
      const pods = new AgentFrames(clientOf(from, ...faults));
      const content = await transfers.save(store, key, (options) => pods.sendFrames({ volume: 'v' }, options));
      return referenceTo(content);
    }

    before(async () => {
      [from, to] = [await AgentProcess.start(), await AgentProcess.start()];
      await mkdir(dataOf(from, 'v'), { recursive: true });
      await makeTree(dataOf(from, 'v'), oddTree);
      whole = await sent(from, 'v');
    });

    beforeEach(() => {
      store = new MemoryArchiveStore({ keepsChunks });
    });

    afterEach(() => {
      for (const client of clients.splice(0)) client.close();
    });

    after(async () => {
      await Promise.all([from[Symbol.asyncDispose](), to[Symbol.asyncDispose]()]);
    });

    it('saves a volume and loads it into another pod, unchanged', async () => {
      const archive = await saved();
      expect(archive).to.include({ rawBytes: whole.length, digest: sha256(whole) });
      expect(archive.storedBytes).to.be.lessThan(whole.length);
      const pods = new AgentFrames(clientOf(to));
      const received = await transfers.load(store, archive, { pods, location: { volume: 'loaded' } });
      expect(received).to.include({ rawBytes: whole.length, digest: sha256(whole) });
      expect((await sent(to, 'loaded')).equals(whole)).to.equal(true);
      expect(await new AgentFrames(clientOf(from)).digestOf({ volume: 'v' })).to.deep.equal({
        rawBytes: archive.rawBytes,
        digest: archive.digest,
      });
    });

    it('continues over lost connections, in both directions', async () => {
      const archive = await saved(
        { cutAfterReceivedBytes: 100_000 },
        { cutAfterReceivedBytes: 600_000, splitBytes: 1777 },
      );
      expect(archive.digest).to.equal(sha256(whole));
      // The parts in which a raw frame arrives are one frame of the archive.
      expect(framesOf(store.archives.get(key)!.bytes)).to.have.length.below(20);
      const client = clientOf(to, { cutAfterSentBytes: 400 }, { cutAfterSentBytes: 500_000 });
      await transfers.load(store, archive, { pods: new AgentFrames(client), location: { volume: 'cut' } });
      expect((await sent(to, 'cut')).equals(whole)).to.equal(true);
      await until('nothing is left', async () => (await client.status()).operations === 0);
    });

    it('leaves the volume unchanged if the archive is damaged, or has another raw digest', async () => {
      const archive = await saved();
      const client = clientOf(to);
      await client.receive({ volume: 'kept' }, Readable.from([whole]));
      const load = (reference: ArchiveReference): Promise<unknown> =>
        transfers.load(store, reference, { pods: new AgentFrames(client), location: { volume: 'kept' } });
      const other = sha256(Buffer.from('other'));
      expect(await rejection(load({ ...archive, digest: other }))).to.be.instanceOf(ArchiveDamagedError);
      const { bytes } = store.archives.get(key)!;
      bytes[bytes.length - 100_000]! ^= 1;
      expect(await rejection(load(archive))).to.be.instanceOf(ArchiveDamagedError);
      expect((await sent(to, 'kept')).equals(whole)).to.equal(true);
      await until('nothing is left', async () => (await client.status()).operations === 0);
      expect(await readdir(join(to.folder, 'volumes/kept/staging'))).to.deep.equal([]);
    });

    describe('open()', () => {
      const saves = new MemoryArchiveStore({ keepsChunks });
      let archive: ArchiveReference;
      let sender: AgentClient;

      before(async () => {
        sender = clientOf(from);
        const pods = new AgentFrames(sender);
        archive = referenceTo(await transfers.save(saves, key, (options) => pods.sendFrames({ volume: 'v' }, options)));
        clients.splice(0);
      });

      after(() => {
        sender.close();
      });

      const agentSends = async (at: string): Promise<Buffer> =>
        await buffer((await sender.send({ volume: 'v', path: at })).readable);

      const paths = [
        ['', 'directory'],
        ['./dir/', 'directory'],
        ['dir/empty', 'directory'],
        [`dir/${long}`, 'directory'],
        [`dir/${long}/${long}`, 'file'],
        ['a-first', 'file'],
        ['dir/inside', 'file'],
        ['dir/outside', 'file'],
        ['dir/link', 'symlink'],
        [`dir/${long}/to`, 'symlink'],
        ['through', 'symlink'],
        ['empty', 'file'],
        ['/große Tür 東京', 'file'],
        ['noise', 'file'],
      ] as const;
      for (const [at, kind] of paths)
        it(`returns the bytes that the agent sends, of a ${kind}: ${JSON.stringify(at.slice(0, 30))}`, async () => {
          const opened = await transfers.open(saves, archive, at);
          expect(opened.kind).to.equal(kind);
          expect((await buffer(opened.archive)).equals(await agentSends(at))).to.equal(true);
        });

      for (const at of ['missing', 'dir/missing', 'a-first/below', 'di', 'through/file', '../v', 'dir/../a-first'])
        it(`rejects as the agent does: ${at}`, async () => {
          const error = await rejection(transfers.open(saves, archive, at));
          const expected = await rejection(agentSends(at));
          expect(error.code).to.equal(expected.code);
          expect(error).to.include({ path: at });
        });

      it('fails before the end of a file if a byte behind it is damaged', async () => {
        const bytes = Buffer.from(saves.archives.get(key)!.bytes);
        bytes[bytes.length - 100_000]! ^= 1;
        store.archives.set(key, { bytes, modifiedAt: new Date(0) });
        const opened = await transfers.open(store, archive, 'a-first');
        expect(await rejection(buffer(opened.archive))).to.be.instanceOf(ArchiveDamagedError);
      });
    });
  });
