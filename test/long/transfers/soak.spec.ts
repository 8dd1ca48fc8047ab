import { getEventListeners } from 'node:events';
import { readdir } from 'node:fs/promises';

import { expect } from 'chai';

import { close, type ExecPlan, fin, type Happening, kill, reset } from '../../support/rig/exec-plan.ts';
import {
  type SoakTransfer,
  soak,
  soakArchives,
  soakDownload,
  soakTransfers,
  soakUpload,
} from '../../support/rig/soak.ts';
import { TransferRig } from '../../support/rig/transfer-rig.ts';
import { printedSeed, seededRandom } from '../../support/seeded-random.ts';
import { Tripwire } from '../../support/tripwire.ts';

const concurrency = 32;
const ways: readonly Happening[] = [reset, fin, close(1001), kill];

describe('five hundred transfers, 32 at a time, one in ten cut', () => {
  let outer: Tripwire;
  let rig: TransferRig;

  before(async () => {
    outer = await Tripwire.set();
    rig = await TransferRig.start({ tls: true });
  });

  after(async () => {
    await rig[Symbol.asyncDispose]();
    await outer.check();
  });

  it('are all correct, byte for byte, and leave nothing behind', async () => {
    const random = seededRandom(printedSeed());
    const archives = await soakArchives(24, 3_000_000, random);
    for (const [index, { content }] of archives.entries()) await rig.put(`down-${index}`, { file: content });
    await rig.client().status();
    await rig.quiet();
    const inner = await Tripwire.set();
    const descriptors = async (): Promise<number> => (await readdir(`/proc/${rig.agent.pid}/fd`)).length;
    const agentDescriptors = await descriptors();

    const cuts = new Map<string, Cut[]>();
    rig.api.planFor = (podName) => planOf(cuts.get(podName)?.shift());
    const clients = Array.from({ length: concurrency }, (_, worker) => {
      rig.api.pods.set(`pod-${worker}`, rig.agent.folder);
      // Some clients keep their connection, some need a new one for each transfer. Half use SPDY,
      // half use WebSocket.
      return rig.client({
        protocols: worker % 8 < 4 ? ['SPDY/3.1'] : ['v4.channel.k8s.io'],
        podName: `pod-${worker}`,
        retryBackoff: { firstMs: 10, longestMs: 100 },
        maxIdle: worker % 4 === 0 ? 0 : 1,
      });
    });

    /**
     * Plans the cuts of a transfer: the first for the pod's open connection or its next one, the
     * others for the following connections.
     */
    function plan(transfer: SoakTransfer, podName: string): void {
      const size = transfer.archive.bytes.length / (transfer.cuts || 1);
      const planned = Array.from({ length: transfer.cuts }, () => cutOf(transfer, size));
      const exec = rig.api.openExecs.find((open) => open.podName === podName);
      const [first] = planned;
      if (exec !== undefined && first !== undefined) {
        exec.inBytes(first.direction, first.bytes, first.by);
        planned.shift();
      }
      cuts.set(podName, planned);
    }

    function cutOf({ direction }: SoakTransfer, size: number): Cut {
      const along = direction === 'up' ? 'toPod' : 'fromPod';
      const against = direction === 'up' ? 'fromPod' : 'toPod';
      const by = ways[Math.floor(random() * ways.length)] ?? reset;
      return random() < 0.8
        ? { direction: along, bytes: Math.floor(random() * size), by }
        : { direction: against, bytes: Math.floor(random() * 500), by };
    }

    const { signal } = new AbortController();
    const transfers = soakTransfers(500, archives, random);
    const outcome = await soak(transfers, concurrency, async (transfer, worker) => {
      const client = clients[worker]!;
      plan(transfer, `pod-${worker}`);
      if (transfer.direction === 'down')
        await soakDownload(client, `down-${archives.indexOf(transfer.archive)}`, transfer.archive, signal);
      else {
        await soakUpload(client, `up-${transfer.number}`, transfer.archive, signal);
        expect(
          (await rig.bytes(`up-${transfer.number}`, 'file')).equals(transfer.archive.content),
          `upload ${transfer.number}`,
        ).to.equal(true);
      }
    });
    expect(outcome).to.deep.equal({ typed: [], wrong: [] });

    expect(getEventListeners(signal, 'abort')).to.have.length(0);
    rig.api.planFor = () => ({});
    await rig.idle();
    await rig.quiet();
    expect(rig.api.connections).to.equal(0);
    await inner.check();
    expect(await descriptors()).to.equal(agentDescriptors);
  });
});

interface Cut {
  readonly direction: 'toPod' | 'fromPod';
  readonly bytes: number;
  readonly by: Happening;
}

function planOf(cut: Cut | undefined): ExecPlan {
  return cut === undefined ? {} : { [cut.direction]: { after: [[cut.bytes, cut.by]] } };
}
