import type { PGlite } from '@electric-sql/pglite';
import { expect } from 'chai';

import { describeOldAgents } from '../contract/worker/old-agents.ts';
import { makeContainer } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';

describe('the reaper on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;

  before(async function () {
    real = await realCluster(this, 'reaping');
    database = await newPGlite();
  });

  after(async () => {
    await real?.remove();
    await database?.close();
  });

  it('deletes the pods of a worker that no longer exists, and rows whose pods are gone', async () => {
    const { cluster } = real!;
    const setup = realWorkers(real!, database!);
    await using worker = await setup.openWith({});
    await using doomed = await setup.openWith({ name: 'doomed' });
    const { container } = await makeContainer(doomed, shellImage);
    const { container: kept } = await makeContainer(worker, shellImage);
    for (const table of ['volumes', 'containers', 'workers'])
      await database!.query(
        `delete from kubernetes_worker.${table} where ${table === 'workers' ? 'name' : 'worker_name'} = 'doomed'`,
      );
    await database!.query(`
      insert into kubernetes_worker.volumes
        (handle, worker_name, kind, state, team_id, store, location, expires_at)
      select 'gone-' || n, '${worker.name}', 'artifact', 'created', 'team', 'pod',
        jsonb_build_object('pod', 'gone-' || n, 'owner', 'gone-' || n, 'volume', 'gone-' || n), now()
      from generate_series(1, 50) as n`);
    expect(await worker.reap()).to.deep.equal({
      deletedPods: 1,
      deletedContainers: 0,
      deletedVolumes: 50,
      deletedConfigMaps: 0,
      deletedArchives: 0,
      deletedKeys: 0,
      complete: true,
    });
    const names = (await cluster.listPodMetadata()).map(({ name }) => name);
    expect(names).to.include(kept.podName).and.to.not.include(container.podName);
  });

  describeOldAgents(() => real!.cluster, shellImage);
});
