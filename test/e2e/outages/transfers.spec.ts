import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import type { PGlite } from '@electric-sql/pglite';
import { expect } from 'chai';

import { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { openExec } from '../../../src/exec/open-exec.ts';
import { execProtocols } from '../../../src/exec/protocol-order.ts';
import type { Logger, Volume, Worker } from '../../../src/index.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import { connectByExec } from '../../../src/pods/exec-agent.ts';
import { until } from '../../support/agent/agent-process.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { type KubeApi, kubeApi } from '../../support/kube/kube-api.ts';
import { missingImage, type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { rejection } from '../../support/rejection.ts';
import { type SoakArchive, soak, soakArchives, soakTransfers } from '../../support/rig/soak.ts';
import { printedSeed, seededRandom } from '../../support/seeded-random.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { tarOf } from '../../support/tar.ts';
import { workerSetup } from '../../support/worker-setup.ts';

describe('transfers on a real cluster', function () {
  this.timeout(180_000);
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let setup: ReturnType<typeof workerSetup>;
  let worker: Worker;
  /** How often a transfer continued over another connection. */
  let reconnects = 0;

  before(async function () {
    real = await realCluster(this, 'transfers');
    database = await newPGlite();
    const { kubeconfigPath, account, namespace } = real;
    const logger: Logger = {
      ...silentLogger,
      info: (message) => {
        if (message === 'resuming a transfer over another connection') reconnects += 1;
      },
    };
    setup = workerSetup({
      kubeconfigPath,
      account,
      namespace,
      database,
      image: shellImage,
      missingImage,
      options: { logger },
    });
    worker = await setup.open();
  });

  after(async () => {
    await (worker as Worker | undefined)?.close();
    await real?.remove();
    await database?.close();
  });

  async function podOf(volume: Volume): Promise<string> {
    const names = await setup.podNames();
    return names.find((name) => name.includes(volume.handle.slice(0, 8))) ?? '';
  }

  /** Yields an archive slowly. Calls `happens.call` once, after `happens.at` bytes. */
  async function* slowly(
    { bytes }: SoakArchive,
    happens?: { readonly at: number; readonly call: () => Promise<void> },
  ): AsyncGenerator<Uint8Array> {
    let hasHappened = false;
    for (let at = 0; at < bytes.length; at += 300_000) {
      if (happens !== undefined && !hasHappened && at >= happens.at) {
        hasHappened = true;
        await happens.call();
      }
      yield bytes.subarray(at, at + 300_000);
      await sleep(20);
    }
  }

  async function archiveOf(size: number): Promise<SoakArchive> {
    const content = randomBytes(size);
    return { content, bytes: await tarOf({ file: content }) };
  }

  context('while the API server is killed twice', () => {
    let api: KubeApi;

    before(function () {
      api = kubeApi(this);
    });

    it('are all correct, byte for byte, and leave nothing in their pods', async () => {
      const random = seededRandom(printedSeed());
      const archives = await soakArchives(12, 6_000_000, random);
      const volumes = await Promise.all(
        Array.from({ length: 8 }, async () => (await worker.createVolumeForArtifact('team')).volume),
      );
      const pods = await Promise.all(volumes.map(podOf));
      for (const [index, archive] of archives.entries())
        await volumes[index % volumes.length]!.streamIn(`down-${index}`, slowly(archive));
      let done = 0;
      let killed = 0;
      const storm = (async () => {
        for (const after of [10, 28]) {
          await until(`${after} are done`, () => done >= after);
          await api.kill();
          await sleep(500);
          await api.start();
          killed += 1;
        }
      })();
      // An error of the storm is reported below, after the transfers.
      storm.catch(() => undefined);
      const { typed, wrong } = await soak(
        soakTransfers(50, archives, random),
        volumes.length,
        async ({ direction, archive, number }, slot) => {
          const index = archives.indexOf(archive);
          const volume = volumes[direction === 'down' ? index % volumes.length : slot]!;
          const path = direction === 'down' ? `down-${index}` : `up-${number}`;
          if (direction === 'up') {
            const { digest } = await volume.streamIn(path, slowly(archive));
            expect(digest).to.equal(createHash('sha256').update(archive.bytes).digest('hex'));
          }
          const archived = await buffer(await volume.streamOut(path));
          const at = archived.length - 1024 - Math.ceil(archive.content.length / 512) * 512;
          expect(archived.subarray(at, at + archive.content.length).equals(archive.content)).to.equal(true);
          done += 1;
        },
      );
      await storm;
      expect({ typed, wrong, killed }).to.deep.equal({ typed: [], wrong: [], killed: 2 });
      expect(reconnects, 'transfers that the kills have cut').to.be.at.least(2);
      await worker.close();
      for (const pod of pods) await nothingIsLeftIn(pod);
      worker = await setup.open();
      for (const { handle } of volumes) await worker.expireArtifact(handle);
      await worker.reap();
    });
  });

  /**
   * Waits until the agent has no operation, no staged content, and no connection but the one of
   * this check.
   */
  async function nothingIsLeftIn(podName: string): Promise<void> {
    const { cluster } = real!;
    const client = new AgentClient({
      connect: (options) => connectByExec(cluster, podName, options),
      clock: systemClock(),
      logger: silentLogger,
      podName,
      handle: podName,
    });
    await until('the agent has nothing to do', async () => (await client.status()).operations <= 1);
    client.close();
    await until('no connection is left', async () => {
      const lines = (await print(podName, ['sh', '-c', 'ps; ls /.kw/volumes/*/staging 2>/dev/null'])).split('\n');
      return !lines.some((line) => line.includes('agent connect') || /^[0-9a-f]{8}-[0-9a-f]{4}-/.test(line));
    });
  }

  async function print(podName: string, command: readonly string[]): Promise<string> {
    const connection = await openExec(await real!.cluster.execEndpoint({ podName, containerName: 'main', command }));
    const chunks: Uint8Array[] = [];
    await new Promise((resolve) =>
      connection.start({ data: (chunk) => chunks.push(Buffer.from(chunk)), end: resolve }),
    );
    return Buffer.concat(chunks).toString();
  }

  for (const protocol of execProtocols) {
    it(`use ${protocol} from the first connection to a pod`, async () => {
      await using over = await setup.openWith({ execProtocols: [protocol] });
      const archive = await archiveOf(20_000_000);
      const { volume } = await over.createVolumeForArtifact('team');
      const { digest } = await volume.streamIn('.', slowly(archive));
      expect(digest).to.equal(createHash('sha256').update(archive.bytes).digest('hex'));
      const archived = await buffer(await volume.streamOut('.'));
      expect(archived.includes(archive.content)).to.equal(true);
      await over.expireArtifact(volume.handle);
    });
  }

  it('report that their pod no longer exists, up and down', async () => {
    const archive = await archiveOf(30_000_000);
    for (const direction of ['up', 'down'] as const) {
      const { volume } = await worker.createVolumeForArtifact('team');
      const podName = await podOf(volume);
      if (direction === 'down') await volume.streamIn('.', slowly(archive));
      let isDeleted = false;
      const deletePod = async (): Promise<void> => {
        isDeleted = true;
        await real!.cluster.deletePod(podName, { gracePeriodSeconds: 0 });
      };
      const transfer =
        direction === 'up'
          ? volume.streamIn('.', slowly(archive, { at: 6_000_000, call: deletePod }))
          : (async () => {
              for await (const chunk of await volume.streamOut('.'))
                if (!isDeleted && chunk.length > 0) await deletePod();
            })();
      const error = await rejection(transfer);
      if (direction === 'up') expect(error).to.include({ code: 'KW_ERR_VOLUME_DISAPPEARED', handle: volume.handle });
      expect(direction === 'up' ? error.cause : error).to.include({ code: 'KW_ERR_POD_DELETED', podName });
      await worker.expireArtifact(volume.handle);
    }
  });

  context('when their container is killed', () => {
    /**
     * Kills the container like the kernel if the pod runs on this machine, else by TERM from
     * inside.
     */
    async function killContainer(podName: string): Promise<void> {
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
        const [command, environment] = await Promise.all(
          ['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')),
        );
        if (!command!.includes('serve') || !environment!.split('\0').includes(`HOSTNAME=${podName}`)) continue;
        process.kill(Number(pid), 'SIGKILL');
        return;
      }
      await print(podName, ['sh', '-c', 'kill -TERM 1']);
    }

    it('restart from a source that can be opened again', async () => {
      const { volume } = await worker.createVolumeForArtifact('team');
      const archive = await archiveOf(20_000_000);
      const podName = await podOf(volume);
      let openings = 0;
      const { digest } = await volume.streamIn('.', () => {
        openings += 1;
        return openings === 1
          ? slowly(archive, { at: 12_000_000, call: () => killContainer(podName) })
          : slowly(archive);
      });
      expect(digest).to.equal(createHash('sha256').update(archive.bytes).digest('hex'));
      expect(openings).to.equal(2);
      expect(archive.content.equals(await volume.readFile('file', { limitBytes: 30_000_000 }))).to.equal(true);
      await worker.expireArtifact(volume.handle);
    });

    it('are lost, up and down, if they cannot be repeated, and do not change the volume', async () => {
      const { volume } = await worker.createVolumeForArtifact('team');
      const archive = await archiveOf(20_000_000);
      const podName = await podOf(volume);
      await volume.streamIn('.', slowly(archive));
      const up = await rejection(
        volume.streamIn(
          '.',
          slowly(await archiveOf(20_000_000), { at: 12_000_000, call: () => killContainer(podName) }),
        ),
      );
      expect(up).to.include({
        code: 'KW_ERR_OPERATION_LOST',
        retryable: true,
        handle: volume.handle,
        podName,
        direction: 'in',
      });
      expect(archive.content.equals(await volume.readFile('file', { limitBytes: 30_000_000 }))).to.equal(true);
      let isKilled = false;
      const down = await rejection(
        (async () => {
          for await (const _ of await volume.streamOut('.')) {
            if (!isKilled) await killContainer(podName);
            isKilled = true;
          }
        })(),
      );
      expect(down).to.include({ code: 'KW_ERR_OPERATION_LOST', handle: volume.handle, podName, direction: 'out' });
      await worker.expireArtifact(volume.handle);
    });
  });
});
