import { randomUUID } from 'node:crypto';

import { expect } from 'chai';
import pg from 'pg';
import { sharedPostgresUrl } from '../database/postgres.ts';
import { EmbeddedProcess } from '../embedded-process.ts';
import { printedSeed, seededRandom } from '../seeded-random.ts';
import { killHosts } from './kill-hosts.ts';

/**
 * Kills a host program `kills` times at random moments of its builds, and restarts it each time.
 */
export function describeKilledHosts(kills: number): void {
  describe('a host that is killed at random moments of a build, on the embedded cluster', function () {
    this.timeout(60_000 + kills * 20_000);
    let cluster: EmbeddedProcess;
    let databaseUrl: string;

    before(async () => {
      [cluster, databaseUrl] = await Promise.all([EmbeddedProcess.start(), sharedPostgresUrl()]);
    });

    after(async () => {
      await (cluster as EmbeddedProcess | undefined)?.close();
    });

    it('runs every step once, with complete logs and correct statuses, and leaves no resources', async () => {
      const seed = printedSeed();
      const workerName = `killed-${randomUUID()}`;
      const { kubeconfigPath } = cluster;
      try {
        await killHosts({
          kubeconfigPath,
          namespace: 'default',
          databaseUrl,
          workerName,
          image: 'busybox:1',
          kills,
          latestMs: 3_500,
          random: seededRandom(seed),
        });
      } catch (error) {
        throw new Error(`with the seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
      const client = new pg.Client({ connectionString: databaseUrl });
      await client.connect();
      const { rows } = await client.query(
        'select (select count(*) from kubernetes_worker.containers) + (select count(*) from kubernetes_worker.volumes) as rows',
      );
      await client.end();
      expect(rows).to.deep.equal([{ rows: '0' }]);
    });
  });
}
