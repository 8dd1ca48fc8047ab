import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { StoreTransfers } from '../../../src/archives/store-transfers.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import { AgentProcess, agentBinary, until } from '../../support/agent/agent-process.ts';
import { AgentFrames } from '../../support/agent-frames.ts';
import { archiveKeyOfTests as key, referenceTo, sha256 } from '../../support/archives.ts';
import { PipeConnection, type PipeFaults } from '../../support/pipe-connection.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';
import { tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';

const SEEDS = 200;
const MiB = 1_048_576;

describe('archives over connections that are cut at random bytes', function () {
  this.timeout(600_000);

  const transfers = new StoreTransfers({ clock: systemClock(), stallMs: 60_000 });
  let tripwire: Tripwire;
  let agent: AgentProcess;

  before(async () => {
    tripwire = await Tripwire.set();
    agent = await AgentProcess.start();
  });

  after(async () => {
    await agent[Symbol.asyncDispose]();
    await tripwire.check();
  });

  function clientOf(
    faults: PipeFaults[] = [],
    { connections = [], downloadWindowBytes }: { connections?: PipeConnection[]; downloadWindowBytes?: number } = {},
  ): AgentClient {
    return new AgentClient({
      connect: async () => {
        const connection = new PipeConnection(agentBinary(), agent.folder, faults.shift());
        connections.push(connection);
        return connection;
      },
      clock: systemClock(),
      logger: silentLogger,
      podName: 'pod',
      handle: 'box',
      options: { retryBackoff: { firstMs: 1, longestMs: 10 }, downloadWindowBytes },
    });
  }

  it(`saves and loads the same bytes with any of ${SEEDS} seeds`, async () => {
    const client = clientOf();
    await client.receive(
      { volume: 'v' },
      Readable.from([await tarOf({ noise: randomBytes(300_000), text: 'same '.repeat(100_000) })]),
    );
    const whole = await buffer((await client.send({ volume: 'v' })).readable);
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const random = seededRandom(seed);
      const offset = (): number => Math.floor(random() * 400_000);
      const store = new MemoryArchiveStore();
      const from = clientOf([
        { cutAfterReceivedBytes: offset() },
        { cutAfterReceivedBytes: offset(), splitBytes: 1 + offset() },
      ]);
      const content = await transfers.save(store, key, (options) =>
        new AgentFrames(from).sendFrames({ volume: 'v' }, options),
      );
      expect(content.digest, `seed ${seed}`).to.equal(sha256(whole));
      const to = clientOf([{ cutAfterSentBytes: offset() }, { cutAfterReceivedBytes: Math.floor(random() * 300) }]);
      const pods = new AgentFrames(to);
      await transfers.load(store, referenceTo(content), { pods, location: { volume: 'loaded' } });
      expect(await pods.digestOf({ volume: 'loaded' }), `seed ${seed}`).to.include({ digest: content.digest });
      from.close();
      to.close();
    }
    client.close();
  });

  it('receives no more than the window beyond what the store has taken, however slow that is', async () => {
    const [windowBytes, slack] = [4 * MiB, MiB];
    const connections: PipeConnection[] = [];
    const client = clientOf([], { connections, downloadWindowBytes: windowBytes });
    await client.receive({ volume: 'large' }, Readable.from([await tarOf({ noise: randomBytes(32 * MiB) })]));
    const received = (): number => connections.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    const before = received();
    const store = new MemoryArchiveStore();
    let most = 0;
    store.write = async (_key, bytes) => {
      const hash = createHash('sha256');
      let storedBytes = 0;
      for await (const chunk of bytes) {
        if (storedBytes === 0) await until('the window is used', () => received() - before > windowBytes - slack);
        await sleep(1);
        most = Math.max(most, received() - before - storedBytes);
        hash.update(chunk);
        storedBytes += chunk.byteLength;
      }
      return { storedBytes, storedDigest: hash.digest('hex') };
    };
    await transfers.save(store, key, (options) => new AgentFrames(client).sendFrames({ volume: 'large' }, options));
    expect(most).to.be.within(windowBytes - slack, windowBytes + slack);
    client.close();
  });
});
