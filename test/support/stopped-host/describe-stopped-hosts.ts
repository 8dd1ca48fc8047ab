import { randomUUID } from 'node:crypto';

import pg from 'pg';

import { KubernetesWorker } from '../../../src/index.ts';
import { sharedPostgresUrl } from '../database/postgres.ts';
import { EmbeddedProcess } from '../embedded-process.ts';
import { type Stop, stopHost } from './stop-hosts.ts';

/** Rounds of `stopHost` on an embedded cluster and a PostgreSQL server outside the hosts. */
export function describeStoppedHosts(stops: readonly Stop[]): void {
  describe('a host that is suspended while it creates a container, and continues after another has taken over', () => {
    const workerName = `stopped-${randomUUID()}`;
    const image = 'busybox:1';
    const namespace = 'default';
    let cluster: EmbeddedProcess | undefined;
    let worker: KubernetesWorker | undefined;
    let admin: pg.Pool | undefined;
    let databaseUrl: string;

    before(async () => {
      [cluster, databaseUrl] = await Promise.all([EmbeddedProcess.start(), sharedPostgresUrl()]);
      admin = new pg.Pool({ connectionString: databaseUrl, max: 1 });
      const { kubeconfigPath: kubeConfig } = cluster;
      worker = await KubernetesWorker.open({
        name: workerName,
        kubeConfig,
        namespace,
        database: databaseUrl,
        volumeImage: image,
      });
    });

    after(async () => {
      await worker?.close();
      await admin?.end();
      await cluster?.close();
    });

    const lapseLeases = async () =>
      await admin!.query('update kubernetes_worker.containers set lease_until = now() where lease_until is not null');

    for (const [index, stop] of stops.entries()) {
      const when = `${stop.at === 'halfway' ? 'in the middle of an input' : `${stop.at} ms after its start`}, its clock ${stop.clock}`;
      it(`changes no file of the other host, and finds its container (round ${index + 1}, suspended ${when})`, async () => {
        const { kubeconfigPath } = cluster!;
        await stopHost(
          { kubeconfigPath, namespace, databaseUrl, workerName, image, worker: worker!, lapseLeases },
          `round-${index}`,
          stop,
        );
      });
    }
  });
}
