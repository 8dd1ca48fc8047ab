import type { KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { Cluster } from '../../../src/kubernetes/cluster.ts';
import type { ArchiveStore } from '../../../src/stores/archive-store.ts';
import { clusterBehindProxy } from '../../support/kube/cluster-behind-proxy.ts';
import { type TcpProxy, type WirePlan, wireFin, wireReset } from '../../support/rig/tcp-proxy.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { contentOf, inChunks, seededBytes, sha256 } from '../../support/stores/archive-bytes.ts';
import { PvcWorker } from '../../support/stores/pvc-worker.ts';

const SEEDS = 200;

/** A claim of a cluster whose API server listens on this machine. */
export interface ClaimUnderCuts {
  readonly cluster: Cluster;
  readonly config: KubeConfig;
  readonly image: string;
  readonly claim: string;
}

/** The store of a claim, over connections to the API server that are lost. */
export function describeClaimCuts(open: () => Promise<ClaimUnderCuts>): void {
  describe('over connections to the API server that are lost', function () {
    this.timeout(600_000);
    let proxy: TcpProxy;
    let worker: PvcWorker;
    let store: ArchiveStore;

    before(async () => {
      const { cluster, config, image, claim } = await open();
      const behind = await clusterBehindProxy(config, cluster.namespace);
      ({ proxy } = behind);
      worker = new PvcWorker({ cluster, execs: behind.cluster, image, retryBackoff: { firstMs: 1, longestMs: 10 } });
      store = worker.open({ claim });
      await store.probe();
    });

    after(async () => {
      await store?.close();
      worker?.close();
      await proxy?.close();
    });

    it(`stores and returns the exact bytes if they are cut at random bytes, with any of ${SEEDS} seeds`, async () => {
      let lost = 0;
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const random = seededRandom(seed);
        const bytes = seededBytes(Math.floor(random() * 400_000), seed);
        // Frames surround the bytes of one direction; the other one has little else.
        const cut = (main: 'up' | 'down'): WirePlan => {
          const direction = random() < 0.8 ? main : main === 'up' ? 'down' : 'up';
          const offset = Math.floor(random() * (direction === main ? bytes.length + 8_000 : 8_000));
          return { [direction]: { after: [[offset, random() < 0.5 ? wireReset : wireFin]] } };
        };
        const key = `cut/00/a-${seed}`;
        proxy.renew(cut('up'), cut('up'));
        const written = await store.write(key, inChunks(bytes, seed));
        expect(written, `seed ${seed}`).to.deep.equal({ storedBytes: bytes.length, storedDigest: sha256(bytes) });
        proxy.renew(cut('down'), cut('down'));
        expect((await contentOf(await store.read(key))).equals(bytes), `seed ${seed}`).to.equal(true);
        lost += proxy.wires.length - 1;
      }
      // Some offsets are behind the end of a connection.
      expect(lost).to.be.above(SEEDS);
    });
  });
}
