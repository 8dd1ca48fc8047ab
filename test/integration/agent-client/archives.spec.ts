import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';

import { AgentClient, type AgentClientOptions } from '../../../src/agent-client/agent-client.ts';
import type { AgentArchive } from '../../../src/agent-client/archive/archive-list.ts';
import { InvalidSpecError } from '../../../src/errors/caller.ts';
import {
  FileChangedError,
  FileNotFoundError,
  OperationLostError,
  PathConflictError,
} from '../../../src/errors/transfer.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import { AgentProcess, agentBinary, exists, until } from '../../support/agent/agent-process.ts';
import { PipeConnection, type PipeFaults } from '../../support/pipe-connection.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { tarOf } from '../../support/tar.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('the archive files of an agent, through the client', () => {
  let agent: AgentProcess;
  const clients: AgentClient[] = [];
  const noise = randomBytes(3_000_000);

  before(async () => {
    agent = await AgentProcess.start();
  });

  after(async () => {
    await agent[Symbol.asyncDispose]();
  });

  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  /** Returns a client whose connections have these faults, one after the other, and then none. */
  function connect(options: AgentClientOptions = {}, ...faults: PipeFaults[]): AgentClient {
    const client = new AgentClient({
      connect: () => Promise.resolve(new PipeConnection(agentBinary(), agent.folder, faults.shift())),
      clock: systemClock(),
      logger: silentLogger,
      podName: 'pod',
      handle: 'store',
      options: { retryBackoff: { firstMs: 1, longestMs: 5 }, ...options },
    });
    clients.push(client);
    return client;
  }

  const pathOf = (key: string): string => join(agent.folder, 'archives', key);
  async function collect(list: AsyncIterable<AgentArchive>): Promise<AgentArchive[]> {
    const archives: AgentArchive[] = [];
    for await (const archive of list) archives.push(archive);
    return archives;
  }

  it('are written, read, listed and deleted', async () => {
    const { archives } = connect();
    const written = await archives.write(
      'i/00/whole',
      Readable.from([noise.subarray(0, 1_000_000), noise.subarray(1_000_000)]),
    );
    expect(written).to.deep.equal({ bytes: noise.length, sha256: sha256(noise) });
    expect((await buffer(await archives.read('i/00/whole'))).equals(noise)).to.equal(true);
    const rest = await buffer(await archives.read('i/00/whole', { offset: 2_999_999 }));
    expect(rest.equals(noise.subarray(2_999_999))).to.equal(true);
    const [entry, ...more] = await collect(archives.list('i/'));
    expect(entry).to.include({ key: 'i/00/whole', bytes: noise.length });
    expect(Math.abs(Number(entry?.modifiedAt) - Date.now())).to.be.below(60_000);
    expect(more).to.deep.equal([]);
    expect(await archives.delete('i/00/whole')).to.equal(true);
    expect(await archives.delete('i/00/whole')).to.equal(false);
    expect(await collect(archives.list('i/'))).to.deep.equal([]);
  });

  it('may be empty, and are listed without limit', async () => {
    const { archives } = connect({ downloadWindowBytes: 10_000 });
    await archives.write('empty/00/key', Readable.from([]));
    expect(await buffer(await archives.read('empty/00/key'))).to.have.length(0);
    await mkdir(pathOf('many/00'), { recursive: true });
    const keys = Array.from({ length: 300 }, (_, index) => `many/00/${index}`);
    await Promise.all(keys.map((key) => writeFile(pathOf(key), '')));
    expect((await collect(archives.list('many'))).map(({ key }) => key).sort()).to.deep.equal(keys.sort());
  });

  it('report the size of their file system', async () => {
    const { totalBytes, freeBytes } = await connect().archives.usage();
    expect(totalBytes).to.be.above(freeBytes);
  });

  it('reject with typed errors', async () => {
    const { archives } = connect();
    await archives.write('errors/00/key', Readable.from([noise]));
    const source = Readable.from([noise]);
    const conflict = await rejection(archives.write('errors/00/key', source));
    expect(conflict).to.be.instanceOf(PathConflictError).with.property('path', 'errors/00/key');
    expect(source.destroyed).to.equal(true);
    expect(await rejection(archives.read('errors/00/none')))
      .to.be.instanceOf(FileNotFoundError)
      .with.property('path', 'errors/00/none');
    expect(await rejection(archives.read('not a key')))
      .to.be.instanceOf(InvalidSpecError)
      .with.property('field', 'key');
    expect(await rejection(collect(archives.list('NOT'))))
      .to.be.instanceOf(InvalidSpecError)
      .with.property('field', 'prefix');
  });

  context('when connections are lost', () => {
    for (const cut of [1000, 300_000, 1_500_000])
      it(`continue a write after ${cut} sent bytes`, async () => {
        const { archives } = connect({}, { cutAfterSentBytes: cut }, { cutAfterSentBytes: cut });
        const key = `cut/00/up-${cut}`;
        expect(await archives.write(key, Readable.from([noise]))).to.deep.equal({
          bytes: noise.length,
          sha256: sha256(noise),
        });
        expect((await readFile(pathOf(key))).equals(noise)).to.equal(true);
      });

    for (const cut of [1000, 300_000, 1_500_000])
      it(`continue a read after ${cut} received bytes`, async () => {
        await mkdir(dirname(pathOf('cut/00/down')), { recursive: true });
        await writeFile(pathOf('cut/00/down'), noise);
        const { archives } = connect({}, { cutAfterReceivedBytes: cut }, { cutAfterReceivedBytes: cut });
        expect((await buffer(await archives.read('cut/00/down', { offset: 7 }))).equals(noise.subarray(7))).to.equal(
          true,
        );
      });

    it('begin no write again', async () => {
      const { archives } = connect({ downloadWindowBytes: 1 });
      const source = async function* (): AsyncGenerator<Uint8Array> {
        yield noise;
        await agent.killAndRestart();
        yield noise;
      };
      expect(await rejection(archives.write('lost/00/key', source()))).to.be.instanceOf(OperationLostError);
      await archives.delete('lost/00/key');
      expect(await exists(pathOf('lost/00/key'))).to.equal(false);
    });
  });

  it('remove a write that a signal stops, before the write rejects', async () => {
    const { archives } = connect();
    const stop = new AbortController();
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield noise;
      stop.abort(new Error('stopped'));
      yield noise;
    };
    const error = await rejection(archives.write('stopped/00/key', source(), { signal: stop.signal }));
    expect(error.message).to.equal('stopped');
    expect(await exists(pathOf('stopped/00/key'))).to.equal(false);
  });

  it('end a write that another host has left, before they delete its file', async () => {
    const pausing = async function* (): AsyncGenerator<Uint8Array> {
      yield noise;
      await new Promise(() => undefined);
    };
    const write = rejection(connect().archives.write('left/00/key', pausing()));
    const { archives } = connect();
    await until('the file exists', () => exists(pathOf('left/00/key')));
    expect(await archives.delete('left/00/key')).to.equal(false);
    expect(await collect(archives.list('left'))).to.deep.equal([]);
    expect(await write).to.be.instanceOf(OperationLostError);
    expect(await exists(pathOf('left/00/key'))).to.equal(false);
  });

  it('fail a read whose file shrinks, and end one whose signal aborts', async () => {
    await mkdir(pathOf('shrinks/00'), { recursive: true });
    await writeFile(pathOf('shrinks/00/key'), noise);
    const { archives } = connect({ downloadWindowBytes: 262_144 });
    const shrinking = await archives.read('shrinks/00/key');
    await truncate(pathOf('shrinks/00/key'), 1_000_000);
    expect(await rejection(buffer(shrinking))).to.be.instanceOf(FileChangedError);
    const stop = new AbortController();
    const stopped = await archives.read('shrinks/00/key', { signal: stop.signal });
    stop.abort(new Error('stopped'));
    expect((await rejection(buffer(stopped))).message).to.equal('stopped');
  });

  context('with a digest', () => {
    before(async () => {
      await connect().receive({ volume: 'digest' }, Readable.from([await tarOf({ noise, 'a/b': 'c' })]));
    });

    it('return what a download would send', async () => {
      const client = connect();
      const { readable, completed } = await client.send({ volume: 'digest' });
      await buffer(readable);
      expect(await client.digest({ volume: 'digest' })).to.deep.equal(await completed);
    });

    it('ask again after a lost connection', async () => {
      const client = connect({}, { cutAfterReceivedBytes: 400 }, { cutAfterReceivedBytes: 400 });
      expect((await client.digest({ volume: 'digest', path: 'noise' })).entries).to.equal(1);
    });

    it('reject for a volume that does not exist, and with the reason of an aborted signal', async () => {
      const client = connect();
      expect((await rejection(client.digest({ volume: 'none' }))).name).to.equal('VolumeNotFoundError');
      const reason = new Error('stopped');
      expect(await rejection(client.digest({ volume: 'digest' }, { signal: AbortSignal.abort(reason) }))).to.equal(
        reason,
      );
    });
  });
});
