import { randomUUID } from 'node:crypto';

import { expect } from 'chai';
import { sharedPostgresUrl } from '../support/database/postgres.ts';
import { killHosts } from '../support/killed-host/kill-hosts.ts';
import { type RealCluster, realCluster, shellImage } from '../support/real-cluster.ts';
import { printedSeed, seededRandom } from '../support/seeded-random.ts';

describe('a host that is killed at 50 random moments of builds, on a real cluster', function () {
  this.timeout(900_000);
  let real: RealCluster | undefined;

  before(async function () {
    real = await realCluster(this, 'killed');
  });

  after(async () => {
    await real?.remove();
  });

  it('runs every step once after restarts, with complete logs and correct statuses, and leaves nothing behind [A53]', async () => {
    const seed = printedSeed();
    const { kubeconfigPath, namespace } = real!;
    const databaseUrl = await sharedPostgresUrl();
    const workerName = `killed-${randomUUID()}`;
    try {
      const builds = await killHosts({
        kubeconfigPath,
        namespace,
        databaseUrl,
        workerName,
        image: shellImage,
        kills: 50,
        latestMs: 8_000,
        random: seededRandom(seed),
      });
      console.log(`      50 kills in ${builds} builds, seed ${seed}`);
      expect(builds).to.be.greaterThan(0);
    } catch (error) {
      throw new Error(`with the seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  });
});
