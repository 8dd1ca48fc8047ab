import { Readable } from 'node:stream';

import { expect } from 'chai';

import { TransferStalledError } from '../../../../src/errors/transfer.ts';
import { rejection } from '../../../support/rejection.ts';
import { ScriptedClient } from '../../../support/scripted-client.ts';
import { settle } from '../../../support/virtual-clock.ts';

const key = 'i/00/a-1.tar.zst';
const bytes = Buffer.from('bytes');

describe('a transfer that the agent does not open', () => {
  let setup: ScriptedClient;

  beforeEach(() => {
    setup = new ScriptedClient();
    setup.onConnect = (agent) => agent.hello({ protocol: [1, 2] });
  });

  afterEach(async () => {
    setup.client.close();
    await settle();
    expect(setup.clock.sleeping, 'timers left').to.equal(0);
  });

  /** Lets the agent report for this time that it waits, and answer a CANCEL. */
  async function keepWaiting(op: string, ms: number): Promise<Awaited<ReturnType<ScriptedClient['opened']>>> {
    const opened = await setup.opened(op);
    for (let waited = 0; waited < ms; waited += 5_000) {
      opened.agent.json('PROGRESS', { entries: 0, bytes: 0 });
      await setup.clock.advance(5_000);
    }
    return opened;
  }

  for (const [op, call] of [
    ['archive-write', () => setup.client.archives.write(key, Readable.from([bytes]))],
    ['archive-read', () => setup.client.archives.read(key)],
    ['archive-list', () => setup.client.archives.list('i/').next()],
  ] as const)
    it(`has stalled if it is ${op}, although the agent reports that it waits: its file system hangs`, async () => {
      const failing = rejection(call());
      await keepWaiting(op, 135_000);
      const error = await failing;
      expect(error).to.be.instanceOf(TransferStalledError);
      expect(error).to.include({ retryable: true, waitedMs: 120_000, podName: 'pod' });
    });

  it('continues if it is an upload to a volume: the agent removes what an earlier attempt has left', async () => {
    const uploading = setup.client.receive({ volume: 'v' }, Readable.from([bytes]));
    const { agent } = await keepWaiting('receive', 300_000);
    agent.json('OPENED', { from: 0, ended: false });
    const received = await agent.receiveUpload(1 << 20);
    expect(received.equals(bytes)).to.equal(true);
    setup.client.close();
    await rejection(uploading);
  });
});
