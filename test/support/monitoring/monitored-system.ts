import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import pg from 'pg';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { KubernetesWorker } from '../../../src/index.ts';
import { metricsContentType, startTelemetry, type Telemetry } from '../../../src/service/telemetry/telemetry.ts';
import { makeContainer, sh } from '../../contract/worker/setup.ts';
import { sharedPostgresUrl } from '../database/postgres.ts';
import { rejection } from '../rejection.ts';
import { ServeProcess } from '../service/serve-process.ts';
import { tarOf } from '../tar.ts';

const image = 'busybox:1';
/** Nothing listens there, so its check ends without a result. */
const uncheckedImage = '127.0.0.1:9/unchecked:1';
const claim = 'archives';

/**
 * A service and a host on one worker, on an embedded cluster with a claim as a store. Both serve their
 * metrics. Dispose it.
 */
export class MonitoredSystem implements AsyncDisposable {
  readonly #disposal: Cleanups;
  readonly #parts: Parts;

  private constructor(parts: Parts, disposal: Cleanups) {
    this.#parts = parts;
    this.#disposal = disposal;
  }

  /** Resolves when the service leads and is ready. */
  static async start(): Promise<MonitoredSystem> {
    const disposal = new Cleanups();
    try {
      return new MonitoredSystem(await startParts(disposal), disposal);
    } catch (error) {
      await disposal.run();
      throw error;
    }
  }

  /** Where Prometheus scrapes: the service, then the host. */
  get targets(): readonly [service: string, host: string] {
    const { replica, server } = this.#parts;
    const line = replica.lines.find(({ message }) => message === 'the server of metrics listens');
    return [new URL(line?.url ?? '').host, `127.0.0.1:${(server.address() as AddressInfo).port}`];
  }

  /** Returns the metrics of the service and of the host. */
  async metricsTexts(): Promise<readonly string[]> {
    const [service] = this.targets;
    const response = await fetch(`http://${service}/metrics`);
    return [await response.text(), await this.#parts.telemetry.metricsText()];
  }

  /**
   * Runs what makes series: steps with an input, an output and a cache, transfers, checks of images, a
   * wait for a quota, a reading of the configuration, and passes of the reaper.
   */
  async work(): Promise<void> {
    const { cluster, replica, host, configFile } = this.#parts;
    const taskCache = { job: 'job', step: 'step' };
    const build = async (): Promise<void> => {
      const { volume: input } = await host.createVolumeForArtifact(randomUUID());
      await input.streamIn('.', Readable.from([await tarOf({ file: 'content' })]));
      const inputs = [{ artifact: input, path: 'in' }];
      const parts = { inputs, outputs: { out: 'out' }, caches: ['cache'], taskCache };
      const { container, mounts, owner } = await makeContainer(host, image, parts);
      await sh(container, 'cp in/file out/file; date > cache/file');
      for (const { kind, mountPath: path, name, volume } of mounts) {
        if (kind === 'cache') await volume.initializeTaskCache({ ...taskCache, path });
        if (name === 'out') await volume.readFile('file');
      }
      await host.ownerFinished(owner, { final: true });
    };
    await build();
    {
      const message = 'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1';
      const match = { verb: 'create', resource: 'pods', subresource: '' };
      using _full = cluster.faults.add({ kind: 'status', status: 403, reason: 'Forbidden', message, times: 1, match });
      await build();
    }
    const unchecked = await Promise.all([makeContainer(host, uncheckedImage), makeContainer(host, uncheckedImage)]);
    for (const { owner } of unchecked) await host.ownerFinished(owner);
    const refused = await rejection(host.findOrCreateContainer({ kind: 'k', key: 'k' }, { image: '', dir: '/x' }));
    if (!(refused instanceof Error)) throw new Error('an empty image is refused');
    await writeFile(configFile, 'logging: { level: info }\n');
    replica.cli.kill('SIGHUP');
    // A collection begins the measurement of the inventory, and a later one has it.
    for (let texts = ''; !texts.includes('kubernetes_worker_store_free_bytes'); await sleep(200))
      texts = (await this.metricsTexts()).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposal.run();
  }
}

interface Parts {
  readonly cluster: EmbeddedCluster;
  readonly replica: ServeProcess;
  readonly host: KubernetesWorker;
  readonly server: Server;
  readonly telemetry: Telemetry;
  readonly configFile: string;
}

/** Starts everything, and notes how it ends. */
async function startParts(disposal: Cleanups): Promise<Parts> {
  const cluster = await EmbeddedCluster.start({ crashLoopBackOffMs: 100 });
  disposal.defer(async () => await cluster.close());
  await createClaim(cluster.kubeconfigPath);
  const { url, drop } = await newDatabase();
  disposal.defer(drop);
  const name = `monitored-${randomUUID()}`;
  const home = await mkdtemp(join(tmpdir(), 'kw-monitored-'));
  disposal.defer(async () => await rm(home, { recursive: true, force: true }));
  const configFile = join(home, 'config.yaml');
  await writeFile(configFile, 'logging: { level: debug }\n');
  const replica = new ServeProcess({
    KW_CONFIG: configFile,
    KW_WORKER_NAME: name,
    KW_WORKER_NAMESPACE: 'default',
    KW_WORKER_KUBECONFIG: cluster.kubeconfigPath,
    KW_DATABASE_URL: url,
    KW_STORES_PVC_CLAIM: claim,
    KW_REAPER_EVERY_MS: '1000',
    KW_REGISTRAR_HEARTBEAT_EVERY_MS: '1000',
  });
  disposal.defer(async () => {
    replica.cli.kill('SIGTERM');
    await replica.cli.ended;
  });
  const telemetry = await startTelemetry({ worker: { name, namespace: 'default' }, telemetry: { otlp: {} } });
  disposal.defer(async () => await telemetry.close());
  const server = await serveMetrics(telemetry);
  disposal.defer(async () => {
    server.close();
    await once(server, 'close');
  });
  const host = await KubernetesWorker.open({
    name,
    kubeConfig: cluster.kubeconfigPath,
    namespace: 'default',
    database: url,
    volumeImage: image,
    stores: { pvc: { claim } },
    images: { preflight: 'warn' },
  });
  disposal.defer(async () => await host.close());
  await replica.untilProbe('readyz', 200);
  await replica.untilLeads();
  return { cluster, replica, host, server, telemetry, configFile };
}

/** What is released at the end, the last first. */
class Cleanups {
  readonly #steps: (() => Promise<void>)[] = [];

  defer(step: () => Promise<void>): void {
    this.#steps.unshift(step);
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0)) await step();
  }
}

async function serveMetrics(telemetry: Telemetry): Promise<Server> {
  const server = createServer((_request, response) => {
    telemetry.metricsText().then(
      (text) => response.setHeader('content-type', metricsContentType).end(text),
      (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

async function createClaim(kubeconfigPath: string): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigPath);
  await config.makeApiClient(CoreV1Api).createNamespacedPersistentVolumeClaim({
    namespace: 'default',
    body: {
      metadata: { name: claim },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  });
}

async function newDatabase(): Promise<{ readonly url: string; readonly drop: () => Promise<void> }> {
  const server = await sharedPostgresUrl();
  const name = `monitored_${randomUUID().replaceAll('-', '')}`;
  const execute = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  };
  await execute(`create database ${name}`);
  return {
    url: server.replace(/\/[^/]*$/, `/${name}`),
    drop: async () => await execute(`drop database ${name} with (force)`),
  };
}
