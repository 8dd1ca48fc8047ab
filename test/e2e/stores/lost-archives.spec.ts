import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { KubernetesWorker } from '../../../src/index.ts';
import { makeContainer, sh } from '../../contract/worker/setup.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { type RealCluster, realCluster, realWorkers, shellImage } from '../../support/real-cluster.ts';
import { rejection } from '../../support/rejection.ts';
import { ClaimFixture } from '../../support/stores/claim-fixture.ts';

/** Changes one byte in the middle. */
async function alter(file: string): Promise<void> {
  const bytes = await readFile(file);
  const middle = bytes.length >> 1;
  bytes[middle] = bytes[middle]! ^ 1;
  await writeFile(file, bytes);
}

describe('outputs on a claim whose files another program changes, on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let claims: ClaimFixture;
  let path: string;
  let setup: ReturnType<typeof realWorkers>;
  let worker: KubernetesWorker | undefined;

  before(async function () {
    real = await realCluster(this, 'lost');
    const { namespace, kubeConfig } = real;
    database = await newPGlite();
    claims = new ClaimFixture(kubeConfig.makeApiClient(CoreV1Api), namespace);
    ({ path } = await claims.createHostPath('archives', await claims.folder()));
    setup = realWorkers(real, database, { account: undefined });
    worker = await setup.openWith({ stores: { pvc: { claim: 'archives' } } });
  });

  after(async () => {
    await worker?.close();
    await real?.remove();
    await claims?.remove();
    await database?.close();
  });

  const files = async (): Promise<readonly string[]> =>
    (await readdir(path, { recursive: true })).filter((name) => name.endsWith('.tar.zst'));

  for (const { what, change, code } of [
    { what: 'removed', change: (file: string) => rm(file), code: 'KW_ERR_ARCHIVE_MISSING' },
    { what: 'cut', change: (file: string) => truncate(file, 40_000), code: 'KW_ERR_ARCHIVE_DAMAGED' },
    { what: 'altered', change: alter, code: 'KW_ERR_ARCHIVE_DAMAGED' },
  ])
    it(`are read from the pod of their producer as long as it exists if the file was ${what}, and then name it`, async () => {
      const before = await files();
      const made = await makeContainer(worker!, shellImage, { outputs: { out: 'out' } });
      const produce = 'head -c 100000 /dev/urandom > out/file; sha256sum < out/file';
      const { stdout, unsaved } = await sh(made.container, produce);
      expect(unsaved).to.equal(undefined);
      const [key] = (await files()).filter((name) => !before.includes(name));
      await change(join(path, key!));

      const { volume } = made.mounts.find(({ kind }) => kind === 'output')!;
      const inputs = [{ artifact: volume, path: 'in' }];
      const next = await makeContainer(worker!, shellImage, { inputs });
      expect((await sh(next.container, 'sha256sum < in/file')).stdout).to.equal(stdout);
      await setup.deletePod(made.container.podName);
      const facts = { code, store: 'pvc', key, volume: volume.handle, retryable: false };
      expect(await rejection(makeContainer(worker!, shellImage, { inputs }))).to.include(facts);
      expect(await rejection(volume.readFile('file'))).to.include(facts);
    });
});
