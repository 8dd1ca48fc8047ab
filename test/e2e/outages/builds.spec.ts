import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { PgBouncer } from '../../support/database/pgbouncer.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { steps } from '../../support/killed-host/build.ts';
import { checkBuild } from '../../support/killed-host/check-build.ts';
import type { HostWorld } from '../../support/killed-host/order.ts';
import { runWithOutages } from '../../support/killed-host/outages.ts';
import { apiOf, listPods } from '../../support/killed-host/pod-recorder.ts';
import { StepRecord } from '../../support/killed-host/step-record.ts';
import { sweepAtRest } from '../../support/killed-host/sweep-at-rest.ts';
import { type KubeApi, kubeApi } from '../../support/kube/kube-api.ts';
import { type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { printedSeed, seededRandom } from '../../support/seeded-random.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const builds = Array.from({ length: 20 }, (_, index) => `build-${index}`);

describe('20 builds while their host is killed, the database restarts twice and the API server once, on a real cluster', function () {
  this.timeout(900_000);
  let real: RealCluster | undefined;
  let api: KubeApi;
  let server: PostgresServer | undefined;
  let bouncer: PgBouncer | undefined;
  let record: StepRecord | undefined;
  let folder: string;

  before(async function () {
    const missing = await PgBouncer.missing();
    if (missing !== undefined) {
      console.log(`      skipped: ${missing}`);
      this.skip();
    }
    api = kubeApi(this);
    real = await realCluster(this, 'outages');
    folder = await mkdtemp(join(tmpdir(), 'kw-outages-'));
    server = await PostgresServer.start();
    bouncer = await PgBouncer.start(server.url);
    await (await openRepository(bouncer.url, { logger: silentLogger })).close();
    record = await StepRecord.begin(server.url);
  });

  after(async () => {
    await record?.close();
    await bouncer?.stop();
    await server?.stop();
    await real?.remove();
    if (real !== undefined) await rm(folder, { recursive: true });
  });

  const restartDatabase = async (): Promise<void> => {
    await server!.crash();
    await sleep(1_000);
    await server!.startAgain();
  };
  const restartApi = async (): Promise<void> => {
    await api.kill();
    await sleep(2_000);
    await api.start();
  };

  it('end with complete logs and correct statuses, each command ran once, and no pod, row or config map remains', async () => {
    const seed = printedSeed();
    const world: HostWorld = {
      kubeconfigPath: real!.kubeconfigPath,
      namespace: real!.namespace,
      databaseUrl: bouncer!.url,
      workerName: `outages-${randomUUID()}`,
      image: shellImage,
    };
    const kills = await runWithOutages({
      order: { ...world, builds, concurrency: 8, folder, reapEveryMs: 1_000, leaseMs: 10_000, isRetried: true },
      outages: [restartDatabase, restartApi, restartDatabase],
      lifeMs: [3_000, 12_000],
      random: seededRandom(seed),
    });
    console.log(`      ${kills} kills, seed ${seed}`);
    expect(kills).to.be.greaterThan(0);

    for (const build of builds) await checkBuild(join(folder, build));
    // A command runs only in a container that was created, and each container counts its commands in
    // the log that `checkBuild` compares.
    const owners = builds.flatMap((build) => steps.map(({ name }) => `${build}/${name}`)).sort();
    expect(await record!.read()).to.deep.equal(
      (['created', 'ended'] as const).flatMap((what) => owners.map((step) => ({ what, step }))),
    );

    await sweepAtRest(world);
    expect(await listPods(apiOf(world), world), 'remaining pods').to.deep.equal([]);
    expect(await record!.remaining(), 'tables with remaining rows').to.deep.equal([]);
    const { items } = await apiOf(world).listNamespacedConfigMap({ namespace: world.namespace });
    const names = items.map(({ metadata }) => metadata?.name ?? '').filter((name) => name !== 'kube-root-ca.crt');
    expect(names).to.have.length(1);
    expect(names[0]).to.match(/^kubernetes-worker-agent-/);
  });
});
