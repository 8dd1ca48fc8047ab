import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { steps } from '../../support/killed-host/build.ts';
import { checkBuild } from '../../support/killed-host/check-build.ts';
import type { HostWorld } from '../../support/killed-host/order.ts';
import { runWithOutages } from '../../support/killed-host/outages.ts';
import { StepRecord } from '../../support/killed-host/step-record.ts';
import { sweepAtRest } from '../../support/killed-host/sweep-at-rest.ts';
import { podOutput } from '../../support/pod-output.ts';
import { type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { printedSeed, seededRandom } from '../../support/seeded-random.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const storeClaim = 'outputs';
const leastKills = 30;
const buildsOfRound = 10;
const outagesOfRound = 5;

describe(`builds with a store while their host is killed ${leastKills} times and the store pod is deleted, on a real cluster`, function () {
  this.timeout(1_200_000);
  let real: RealCluster | undefined;
  let api: CoreV1Api;
  let server: PostgresServer | undefined;
  let record: StepRecord | undefined;
  let folder: string;

  before(async function () {
    real = await realCluster(this, 'stores');
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    await api.createNamespacedPersistentVolumeClaim({
      namespace: real.namespace,
      body: {
        metadata: { name: storeClaim },
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: 'dynamic',
          resources: { requests: { storage: '1Gi' } },
        },
      },
    });
    folder = await mkdtemp(join(tmpdir(), 'kw-stores-'));
    server = await PostgresServer.start();
    await (await openRepository(server.url, { logger: silentLogger })).close();
    record = await StepRecord.begin(server.url, { recordsUnsaved: true });
  });

  after(async () => {
    await record?.close();
    await server?.stop();
    await real?.remove();
    if (real !== undefined) await rm(folder, { recursive: true });
  });

  const storePods = async (): Promise<readonly string[]> => {
    const { items } = await api.listNamespacedPod({ namespace: real!.namespace });
    const names = items.map(({ metadata }) => metadata?.name ?? '');
    return names.filter((name) => name.startsWith(`store-${storeClaim}-`));
  };
  const deleteStorePod = async (): Promise<void> => {
    for (const name of await storePods())
      await api.deleteNamespacedPod({ name, namespace: real!.namespace, gracePeriodSeconds: 0 });
  };

  it('record no result before its outputs are saved, and leave neither a row nor a file', async () => {
    const seed = printedSeed();
    const world: HostWorld = {
      kubeconfigPath: real!.kubeconfigPath,
      namespace: real!.namespace,
      databaseUrl: server!.url,
      workerName: `stores-${randomUUID()}`,
      image: shellImage,
      storeClaim,
    };
    const random = seededRandom(seed);
    const builds: string[] = [];
    const outages: (() => Promise<void>)[] = [];
    let kills = 0;
    while (kills < leastKills || outages.length < 2 * outagesOfRound) {
      const ofRound = Array.from({ length: buildsOfRound }, (_, index) => `build-${builds.length + index}`);
      const deletions = Array.from({ length: outagesOfRound }, () => deleteStorePod);
      builds.push(...ofRound);
      outages.push(...deletions);
      kills += await runWithOutages({
        order: {
          ...world,
          builds: ofRound,
          concurrency: 6,
          folder,
          reapEveryMs: 2_000,
          leaseMs: 10_000,
          isRetried: true,
        },
        outages: deletions,
        lifeMs: [2_500, 5_000],
        random,
      });
      console.log(`      ${kills} kills, ${outages.length} deletions, ${builds.length} builds, seed ${seed}`);
    }

    for (const build of builds) await checkBuild(join(folder, build));
    const owners = builds.flatMap((build) => steps.map(({ name }) => `${build}/${name}`)).sort();
    expect(await record!.read()).to.deep.equal(
      (['created', 'ended'] as const).flatMap((what) => owners.map((step) => ({ what, step }))),
    );

    await sweepAtRest(world);
    // The first pass releases the archives of containers, the second deletes them.
    await sweepAtRest(world);
    expect(await record!.remaining(), 'tables with remaining rows').to.deep.equal([]);
    const files = await podOutput(api, real!.namespace, { claim: storeClaim, script: 'find /claim -type f' });
    expect(files, 'remaining files').to.equal('');
  });
});
