import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import { expect } from 'chai';

import { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import { AgentProcess, agentBinary, until } from '../../support/agent/agent-process.ts';
import { PipeConnection, type PipeFaults } from '../../support/pipe-connection.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { tarOf } from '../../support/tar.ts';

describe('AgentClient.receiveFrom', () => {
  let from: AgentProcess;
  let to: AgentProcess;
  let clients: AgentClient[];

  before(async () => {
    [from, to] = [await AgentProcess.start(), await AgentProcess.start()];
    const archive = await tarOf({
      noise: randomBytes(6_000_000),
      text: 'all the same '.repeat(300_000),
      dir: null,
      'dir/small': 'small',
    });
    const client = clientOf(from);
    await client.receive({ volume: 'v' }, Readable.from([archive]));
    client.close();
  });

  beforeEach(() => {
    clients = [];
  });

  afterEach(() => {
    for (const client of clients) client.close();
  });

  after(async () => {
    await Promise.all([from[Symbol.asyncDispose](), to[Symbol.asyncDispose]()]);
  });

  function clientOf(agent: AgentProcess, ...faults: PipeFaults[]): AgentClient {
    const client = new AgentClient({
      connect: () => Promise.resolve(new PipeConnection(agentBinary(), agent.folder, faults.shift())),
      clock: systemClock(),
      logger: silentLogger,
      podName: agent === from ? 'producer' : 'consumer',
      handle: 'box',
    });
    clients?.push(client);
    return client;
  }

  /** A client of the consumer that calls once, after a part of the bytes was sent, and then continues. */
  function clientThat(happens: () => Promise<void>): AgentClient {
    let hasHappened = false;
    const client = new AgentClient({
      connect: async () => {
        const connection = new PipeConnection(agentBinary(), to.folder);
        const write = connection.write.bind(connection);
        connection.write = async (chunks) => {
          await write(chunks);
          if (hasHappened || connection.sentBytes < 1_000_000) return;
          hasHappened = true;
          await happens();
        };
        return connection;
      },
      clock: systemClock(),
      logger: silentLogger,
      podName: 'consumer',
      handle: 'box',
    });
    clients.push(client);
    return client;
  }

  const fileOf = (agent: AgentProcess, volume: string, path: string): string =>
    join(agent.folder, 'volumes', volume, 'data', path);

  async function expectSame(volume: string): Promise<void> {
    for (const path of ['noise', 'text', 'dir/small'])
      expect((await readFile(fileOf(to, volume, path))).equals(await readFile(fileOf(from, 'v', path))), path).to.equal(
        true,
      );
  }

  it('copies a volume to another pod, with equal digests of both agents', async () => {
    const source = clientOf(from);
    const result = await clientOf(to).receiveFrom({ volume: 'same' }, { client: source, spec: { volume: 'v' } });
    const { readable, completed } = await source.send({ volume: 'v' });
    readable.resume();
    expect(result).to.include({ sha256: (await completed).sha256, bytes: (await completed).bytes, entries: 4 });
    await expectSame('same');
  });

  it('resumes when connections of either pod are cut', async () => {
    const source = clientOf(
      from,
      { cutAfterReceivedBytes: 100_000 },
      { cutAfterReceivedBytes: 2_500_000 },
      { splitBytes: 777, cutAfterReceivedBytes: 900_000 },
    );
    const target = clientOf(
      to,
      { cutAfterSentBytes: 400 },
      { cutAfterSentBytes: 1_000_000 },
      { cutAfterSentBytes: 3_000_000 },
    );
    await target.receiveFrom({ volume: 'cut' }, { client: source, spec: { volume: 'v' } });
    await expectSame('cut');
    await until(
      'nothing is left',
      async () => (await target.status()).operations + (await source.status()).operations === 0,
    );
  });

  it('restarts after an agent was killed', async () => {
    const [source, target] = [clientOf(from), clientThat(() => to.killAndRestart())];
    await target.receiveFrom({ volume: 'killed' }, { client: source, spec: { volume: 'v' } });
    await expectSame('killed');
  });

  it('restarts after a file changed during the read', async () => {
    const outcomes: string[] = [];
    const changing = fileOf(from, 'changing', 'z');
    await mkdir(fileOf(from, 'changing', ''), { recursive: true });
    // More than a download has in flight: files behind it are read later.
    await writeFile(fileOf(from, 'changing', 'a'), randomBytes(12_000_000));
    for (const way of ['frames', 'bytes'] as const) {
      await rm(changing, { recursive: true, force: true });
      await writeFile(changing, 'a file when it was listed');
      const source = clientOf(from);
      let isChanged = false;
      const target = new AgentClient({
        connect: async () => {
          // The download has started and waits.
          if (!isChanged) await rm(changing).then(() => mkdir(changing));
          isChanged = true;
          return new PipeConnection(agentBinary(), to.folder);
        },
        clock: systemClock(),
        logger: silentLogger,
        podName: 'consumer',
        handle: 'box',
        transferEnded: ({ outcome }) => outcomes.push(outcome),
      });
      clients.push(target);
      const spec = { volume: `changing-${way}` };
      if (way === 'frames') await target.receiveFrom(spec, { client: source, spec: { volume: 'changing' } });
      else await target.receive(spec, async () => (await source.send({ volume: 'changing' })).readable);
      expect(await readdir(fileOf(to, spec.volume, ''))).to.have.members(['a', 'z']);
      expect(await readdir(fileOf(to, spec.volume, 'z'))).to.deep.equal([]);
    }
    expect(outcomes).to.deep.equal(['CANCELLED', 'OK', 'CANCELLED', 'OK']);
  });

  it('leaves both volumes unchanged, and names the failing pod', async () => {
    const [source, target] = [clientOf(from), clientOf(to)];
    const missing = await rejection(
      target.receiveFrom({ volume: 'none' }, { client: source, spec: { volume: 'v', path: 'missing' } }),
    );
    expect(missing).to.include({ code: 'KW_ERR_FILE_NOT_FOUND', podName: 'producer', direction: 'out' });
    const tooLarge = await rejection(
      target.receiveFrom({ volume: 'none', expandedLimitBytes: 1000 }, { client: source, spec: { volume: 'v' } }),
    );
    expect(tooLarge).to.include({ code: 'KW_ERR_ARTIFACT_TOO_LARGE', podName: 'consumer', direction: 'in' });
    await mkdir(fileOf(to, 'conflict', 'noise'), { recursive: true });
    await writeFile(fileOf(to, 'conflict', 'kept'), 'kept');
    const conflict = await rejection(
      target.receiveFrom({ volume: 'conflict' }, { client: source, spec: { volume: 'v' } }),
    );
    expect(conflict).to.include({ code: 'KW_ERR_PATH_CONFLICT', podName: 'consumer' });
    expect(await readdir(fileOf(to, 'conflict', ''))).to.have.members(['noise', 'kept']);
    await until(
      'nothing is left',
      async () => (await target.status()).operations + (await source.status()).operations === 0,
    );
  });

  it('rejects with the reason of the signal, and ends in both pods', async () => {
    const stop = new AbortController();
    const reason = new Error('stopped');
    const [source, target] = [clientOf(from), clientThat(async () => stop.abort(reason))];
    const moving = target.receiveFrom(
      { volume: 'stopped' },
      { client: source, spec: { volume: 'v' } },
      { signal: stop.signal },
    );
    expect(await rejection(moving)).to.equal(reason);
    await until(
      'nothing is left',
      async () => (await target.status()).operations + (await source.status()).operations === 0,
    );
    expect(await readdir(join(to.folder, 'volumes/stopped/staging'))).to.deep.equal([]);
  });
});
