import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { sharedPostgresUrl } from '../../support/database/postgres.ts';
import { checkBuild } from '../../support/killed-host/check-build.ts';
import { runHost } from '../../support/killed-host/host-process.ts';
import { apiOf, listPods } from '../../support/killed-host/pod-recorder.ts';
import { type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { ServeProcess } from '../../support/service/serve-process.ts';

const builds = Array.from({ length: 10 }, (_, index) => `build-${index}`);

describe('two replicas of kubernetes-worker serve on a real cluster', function () {
  this.timeout(240_000);
  let real: RealCluster | undefined;
  let folder: string;
  let replicas: ServeProcess[] = [];

  before(async function () {
    real = await realCluster(this, 'serve');
    folder = await mkdtemp(join(tmpdir(), 'kw-serve-'));
  });

  after(async () => {
    for (const { cli } of replicas) cli.kill('SIGKILL');
    await real?.remove();
    if (real !== undefined) await rm(folder, { recursive: true });
  });

  it('are killed and stopped while a host runs 10 builds, no build notices, and nothing is left', async () => {
    const { kubeconfigPath, namespace } = real!;
    const databaseUrl = await sharedPostgresUrl();
    const workerName = `serve-${randomUUID()}`;
    const start = (): ServeProcess => {
      const replica = new ServeProcess({
        KW_DATABASE_URL: databaseUrl,
        KW_WORKER_KUBECONFIG: kubeconfigPath,
        KW_WORKER_NAMESPACE: namespace,
        KW_WORKER_NAME: workerName,
        KW_REAPER_EVERY_MS: '1000',
      });
      replicas.push(replica);
      return replica;
    };
    const [first, second] = [start(), start()];
    await Promise.all([first.untilProbe('readyz', 200), second.untilProbe('readyz', 200)]);
    const world = { kubeconfigPath, namespace, databaseUrl, workerName, image: shellImage };
    const host = runHost({ ...world, folder, builds, concurrency: 10, leaseMs: 60_000, isRetried: false }, undefined);
    let isRunning = true;
    const ended = host.finally(() => {
      isRunning = false;
    });
    const exits: (number | undefined)[] = [];
    for (let kills = 0; isRunning; kills += 1) {
      await Promise.race([sleep(2_000), ended]);
      const leader = replicas.find(({ leads }) => leads);
      if (leader === undefined) continue;
      leader.cli.kill(kills % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
      exits.push((await leader.cli.ended).exitCode);
      replicas = replicas.filter((replica) => replica !== leader);
      start();
    }
    expect(await ended).to.equal(true);
    for (const build of builds) await checkBuild(join(folder, build));
    expect(exits.length, 'killed and stopped replicas').to.be.greaterThan(1);
    for (const exit of exits) expect(exit).to.be.oneOf([0, undefined]);
    // The host has no loops: what is left is deleted by a replica.
    while ((await listPods(apiOf(world), world)).length > 0) await sleep(500);
  });
});
