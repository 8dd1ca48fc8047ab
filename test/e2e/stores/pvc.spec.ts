import { chmod, readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { ArchiveStore } from '../../../src/stores/archive-store.ts';
import { describeArchiveStore } from '../../contract/stores/describe-archive-store.ts';
import { describeClaimCuts } from '../../contract/stores/describe-claim-cuts.ts';
import { type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { rejection } from '../../support/rejection.ts';
import { contentOf, inChunks, seededBytes, sha256 } from '../../support/stores/archive-bytes.ts';
import { ClaimFixture } from '../../support/stores/claim-fixture.ts';
import { type FuseMount, fuseProblem, mountFuse } from '../../support/stores/fuse-mount.ts';
import { PvcWorker } from '../../support/stores/pvc-worker.ts';

const MiB = 1_048_576;

describe('PvcStore on a real cluster', () => {
  let real: RealCluster | undefined;
  let api: CoreV1Api;
  let claims: ClaimFixture;
  let worker: PvcWorker;
  const stores: ArchiveStore[] = [];
  let keys = 0;
  const newKey = (): string => `i/00/a-${(keys += 1)}.tar.zst`;
  const open = (claim: string): ArchiveStore => {
    const store = worker.open({ claim });
    stores.push(store);
    return store;
  };

  before(async function () {
    real = await realCluster(this, 'pvc');
    const { cluster, namespace, kubeConfig } = real;
    api = kubeConfig.makeApiClient(CoreV1Api);
    claims = new ClaimFixture(api, namespace);
    worker = new PvcWorker({ cluster, image: shellImage });
  });

  after(async () => {
    for (const store of stores) await store.close();
    worker?.close();
    await real?.remove();
    await claims?.remove();
  });

  /** Opens a store of a worker of its own, of which the suite expects that nothing is left. */
  const openAlone = (claim: string, closed = async (): Promise<void> => {}): ArchiveStore => {
    const own = new PvcWorker({ cluster: real!.cluster, image: shellImage });
    const store = own.open({ claim });
    const closeStore = store.close.bind(store);
    const close = async (): Promise<void> => {
      await closeStore();
      own.close();
      await closed();
    };
    return Object.assign(store, { close });
  };

  describeArchiveStore('as an ArchiveStore on ext4', {
    open: async () => {
      await claims.create('contract', { storageClassName: 'dynamic', storage: '1280Mi' });
      return openAlone('contract');
    },
    partBytes: 262_144,
    aborts: 5,
    largeBytes: 1_073_741_824,
  });

  describeArchiveStore('as an ArchiveStore on a hostPath', {
    open: async () => {
      await claims.createHostPath('folder', await claims.folder());
      return openAlone('folder');
    },
    partBytes: 262_144,
    aborts: 3,
  });

  describe('on ext4', () => {
    describeClaimCuts(async () => {
      await claims.create('cut', { storageClassName: 'dynamic', storage: '1Gi' });
      return { cluster: real!.cluster, config: real!.kubeConfig, image: shellImage, claim: 'cut' };
    });
  });

  describe('on a file system over an object store', () => {
    const mounts: FuseMount[] = [];

    before(async function () {
      const problem = await fuseProblem();
      if (problem === undefined) return;
      if (process.env['CI'] !== undefined) throw new Error(`cannot mount the file system: ${problem}`);
      console.log(`      skipped: ${problem}`);
      this.skip();
    });

    after(async () => {
      for (const mount of mounts) await mount.close();
    });

    async function mounted(): Promise<FuseMount> {
      const mount = await mountFuse();
      mounts.push(mount);
      return mount;
    }

    describeArchiveStore('as an ArchiveStore', {
      open: async () => {
        const mount = await mounted();
        await claims.createHostPath('objects', mount.path);
        return openAlone('objects', () => mount.close());
      },
      partBytes: 262_144,
      aborts: 3,
    });

    describeClaimCuts(async () => {
      const mount = await mounted();
      await claims.createHostPath('cut-objects', mount.path);
      return { cluster: real!.cluster, config: real!.kubeConfig, image: shellImage, claim: 'cut-objects' };
    });

    it('rejects with StoreUnavailableError while the file system hangs, without an effect on other stores', async () => {
      const mount = await mounted();
      await claims.createHostPath('hung', mount.path);
      await claims.createHostPath('well', await claims.folder());
      const impatient = new PvcWorker({
        cluster: real!.cluster,
        image: shellImage,
        stallMs: 10_000,
        retryBudgetMs: 15_000,
      });
      const [hung, well] = [impatient.open({ claim: 'hung' }), impatient.open({ claim: 'well' })];
      const key = newKey();
      await Promise.all([hung, well].map((store) => store.write(key, inChunks(seededBytes(1000)))));
      mount.hang();
      try {
        const error = await rejection(hung.write(newKey(), inChunks(seededBytes(1000))));
        expect(error).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE', store: 'pvc', retryable: true });
        await well.write(newKey(), inChunks(seededBytes(1000)));
        expect(await contentOf(await well.read(key))).to.have.lengthOf(1000);
      } finally {
        mount.continue();
      }
      await hung.write(newKey(), inChunks(seededBytes(1000)));
      expect(await contentOf(await hung.read(key))).to.have.lengthOf(1000);
      for (const store of [hung, well]) await store.close();
      impatient.close();
    });
  });

  it('rejects within seconds, and names the claim, if the claim does not exist', async () => {
    const error = await rejection(open('nowhere').probe());
    expect(error).to.include({ code: 'KW_ERR_STORE_NOT_CONFIGURED', store: 'pvc' });
    expect(String(error)).to.include(`${real!.namespace}/nowhere`);
  });

  it('rejects with StoreUnavailableError, and names the claim, if no volume can be bound to it', async () => {
    await claims.create('unbound', { storageClassName: 'local', storage: '900Gi' });
    const error = await rejection(open('unbound').probe());
    expect(error).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE', store: 'pvc', retryable: true });
    expect(String(error)).to.include(`${real!.namespace}/unbound`);
  });

  describe('whose pod ends in mid-transfer', () => {
    let store: ArchiveStore;
    const bytes = seededBytes(24 * MiB);
    const pod = () => ({ name: worker.podName('ends'), namespace: real!.namespace });
    const uid = async () =>
      await api.readNamespacedPod(pod()).then(
        ({ metadata }) => metadata?.uid,
        () => undefined,
      );
    const ends = [
      ['is deleted', async () => await api.deleteNamespacedPod({ ...pod(), gracePeriodSeconds: 1 })],
      ['is evicted', async () => await api.createNamespacedPodEviction({ ...pod(), body: { metadata: pod() } })],
    ] as const;

    before(async () => {
      await claims.createHostPath('ends', await claims.folder());
      store = open('ends');
      await store.probe();
    });

    for (const [what, end] of ends)
      it(`rejects the write with StoreUnavailableError when the pod ${what}; the next pod accepts another key`, async () => {
        async function* slow(): AsyncGenerator<Uint8Array> {
          yield bytes.subarray(0, MiB);
          await end();
          for (;;) {
            yield bytes.subarray(0, 1000);
            await sleep(20);
          }
        }
        const error = await rejection(store.write(newKey(), slow()));
        expect(error).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE', store: 'pvc', retryable: true });
        const key = newKey();
        await store.write(key, inChunks(bytes.subarray(0, MiB)));
        expect(sha256(await contentOf(await store.read(key)))).to.equal(sha256(bytes.subarray(0, MiB)));
      });

    for (const [what, end] of ends)
      it(`continues the read at its offset when the pod ${what}`, async () => {
        const key = newKey();
        await store.write(key, inChunks(bytes));
        const parts: Uint8Array[] = [];
        let hasEnded = false;
        for await (const part of (await store.read(key)) as AsyncIterable<Uint8Array>) {
          parts.push(part);
          if (hasEnded) continue;
          hasEnded = true;
          const first = await uid();
          await end();
          while ((await uid()) === first) await sleep(200);
        }
        expect(sha256(Buffer.concat(parts))).to.equal(sha256(bytes));
      });
  });

  describe('on a file system of 64 MiB', () => {
    let store: ArchiveStore;

    before(async () => {
      await claims.create('small', { storageClassName: 'dynamic', storage: '64Mi' });
      store = open('small');
    });

    it('starts although the claim is bound only when the pod is scheduled', async () => {
      await store.probe();
    });

    it('rejects with DiskFullError, names the store, and has room again after a deletion', async () => {
      const [first, second, third] = [newKey(), newKey(), newKey()];
      await store.write(first, inChunks(seededBytes(32 * MiB)));
      const error = await rejection(store.write(second, inChunks(seededBytes(40 * MiB))));
      expect(error).to.include({ code: 'KW_ERR_DISK_FULL', store: 'pvc' });
      await store.delete(second);
      expect(await store.delete(first)).to.equal(true);
      await store.write(third, inChunks(seededBytes(40 * MiB)));
      const usage = await store.usage();
      expect(usage!.totalBytes).to.be.within(32 * MiB, 64 * MiB);
      expect(usage!.freeBytes).to.be.lessThan(24 * MiB);
    });
  });

  it('uses a ReadWriteOncePod claim, also in the store pod after one that was deleted', async () => {
    await claims.createHostPath('one-pod', await claims.folder(), 'ReadWriteOncePod');
    const store = open('one-pod');
    const [first, second] = [newKey(), newKey()];
    await store.write(first, inChunks(seededBytes(1000)));
    const pod = { name: worker.podName('one-pod'), namespace: real!.namespace };
    await api.deleteNamespacedPod({ ...pod, gracePeriodSeconds: 1 });
    await store.write(second, inChunks(seededBytes(1000)));
    expect(await contentOf(await store.read(first))).to.deep.equal(await contentOf(await store.read(second)));
  });

  it('uses a ReadWriteMany claim, of which two workers have a store pod each', async () => {
    await claims.createHostPath('shared', await claims.folder(), 'ReadWriteMany');
    const other = new PvcWorker({ cluster: real!.cluster, image: shellImage });
    const stores = [open('shared'), other.open({ claim: 'shared' })] as const;
    const key = newKey();
    await stores[0].write(key, inChunks(seededBytes(1000)));
    expect(await contentOf(await stores[1].read(key))).to.have.lengthOf(1000);
    await stores[1].close();
    other.close();
  });

  it('rejects writes with StoreDeniedError on a volume that is read-only, and reads on', async () => {
    const { path } = await claims.createHostPath('frozen');
    const store = open('frozen');
    const key = newKey();
    await store.write(key, inChunks(seededBytes(1000)));
    await claims.freeze(path);
    for (const call of [store.write(newKey(), inChunks(seededBytes(10))), store.probe(), store.delete(key)])
      expect(await rejection(call)).to.include({ code: 'KW_ERR_STORE_DENIED', store: 'pvc', right: 'write' });
    expect(await contentOf(await store.read(key))).to.have.lengthOf(1000);
  });

  it('rejects with StoreDeniedError where the user of the store pod may not write', async () => {
    const { path } = await claims.createHostPath('foreign');
    await chmod(path, 0o755);
    const error = await rejection(open('foreign').probe());
    expect(error).to.include({ code: 'KW_ERR_STORE_DENIED', store: 'pvc', right: 'write' });
  });

  describe('whose files another program changes', () => {
    let store: ArchiveStore;
    let path: string;

    before(async () => {
      ({ path } = await claims.createHostPath('changed'));
      store = open('changed');
    });

    const fileOf = async (key: string): Promise<string> => {
      const files = await readdir(path, { recursive: true });
      const file = files.find((name) => name.endsWith(key.slice(-16)));
      return join(path, file ?? 'none');
    };

    it('rejects with ArchiveMissingError if a file was removed', async () => {
      const key = newKey();
      await store.write(key, inChunks(seededBytes(1000)));
      await rm(await fileOf(key));
      expect(await rejection(store.read(key))).to.include({ code: 'KW_ERR_ARCHIVE_MISSING', store: 'pvc', key });
    });

    it('returns the bytes that are stored, whose size the reader compares, if a file was cut', async () => {
      const key = newKey();
      await store.write(key, inChunks(seededBytes(1000)));
      await truncate(await fileOf(key), 400);
      expect(await contentOf(await store.read(key))).to.have.lengthOf(400);
    });
  });
});
