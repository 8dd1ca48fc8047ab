import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  CoreV1Api,
  RbacAuthorizationV1Api,
  type V1Container,
  type V1Deployment,
  type V1PodSpec,
} from '@kubernetes/client-node';
import { expect } from 'chai';
import type { Context } from 'mocha';
import manifest from '../../../package.json' with { type: 'json' };
import { readImage } from '../../../scripts/image/image-archive.ts';
import { imageProblems } from '../../../scripts/image/image-problems.ts';
import { KubernetesWorker, type Worker } from '../../../src/index.ts';
import { sh } from '../../contract/worker/setup.ts';
import { until } from '../../support/agent/agent-process.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { openTcpDoor, type TcpDoor } from '../../support/database/tcp-door.ts';
import { type BuiltImage, buildImage } from '../../support/image/build-image.ts';
import { DisturbedDeployment } from '../../support/image/deployment.ts';
import { hostAddress, pushRegistry, skipWithoutMeans } from '../../support/image/means.ts';
import { pushImage } from '../../support/image/push-image.ts';
import { createService, readServiceManifest } from '../../support/image/service-manifest.ts';
import { type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';

const workerName = 'ci';
const builds = 20;
const concurrency = 5;
const token = randomBytes(16).toString('hex');

describe('the image of the service', function () {
  this.timeout(240_000);
  let real: RealCluster;
  let database: PostgresServer;
  let door: TcpDoor;
  let folder: string;
  let image: BuiltImage;
  let reference: string;

  before(async function () {
    this.timeout(900_000);
    await skipWithoutMeans(this);
    real = await restrictedCluster(this);
    folder = await mkdtemp(join(tmpdir(), 'kw-image-'));
    [image, database] = await Promise.all([buildImage(folder), PostgresServer.start()]);
    door = await openTcpDoor(database.url, hostAddress);
    reference = `${pushRegistry}/kubernetes-worker:${image.digest.slice(-12)}`;
    await pushImage(image.archive, reference);
  });

  after(async () => {
    await (real as RealCluster | undefined)?.remove();
    await (door as TcpDoor | undefined)?.[Symbol.asyncDispose]();
    await (database as PostgresServer | undefined)?.stop();
    if ((folder as string | undefined) !== undefined) await rm(folder, { recursive: true });
  });

  it('contains what the service needs, and nothing that it should not contain', async () => {
    expect(imageProblems(await readImage(image.archive))).to.deep.equal([]);
  });

  it('runs a command without a shell, as a user that is not root, on a read-only file system', async () => {
    const { log, exitCode } = await runPod(real, reference, ['--version']);
    expect(log).to.equal(`${manifest.version}\n`);
    expect(exitCode).to.equal(0);
  });

  it('examines what it needs, in a pod with the rights of its service account only', async function () {
    const other = await restrictedCluster(this);
    try {
      const { kubeConfig, namespace } = other;
      const deployment = await createService(kubeConfig, namespace, {
        image: reference,
        databaseUrl: door.url,
        token,
        config: (config) => ({ ...config, worker: { ...config.worker, name: 'doctor', volumeImage: shellImage } }),
        replicas: 0,
      });
      const run = (...args: string[]): ReturnType<typeof podEnd> => runReplica(other, deployment, args);
      expect((await run('migrate')).exitCode).to.equal(0);
      const healthy = await run('doctor', '--json', '--no-images');
      expect(healthy.exitCode, healthy.log).to.equal(0);
      const { ok, findings } = JSON.parse(healthy.log);
      // The example leaves out what is optional: the rights on nodes, which are of the cluster.
      const outcomes = (findings as Finding[]).map(({ check, outcome }) => `${check}: ${outcome}`);
      expect([ok, outcomes], healthy.log).to.deep.equal([
        true,
        [
          'api-server: ok',
          'permissions: warning',
          'permissions: warning',
          'pod-admission: ok',
          'database: ok',
          'schema: ok',
          'worker-state: ok',
          'clocks: ok',
        ],
      ]);
      const warnings = (findings as Finding[]).filter(({ outcome }) => outcome === 'warning');
      for (const { message } of warnings) expect(message).to.match(/may not (list|get) nodes in the cluster/);

      await removePermission(other, 'pods/exec');
      const poor = await run('doctor', '--json', '--no-images');
      expect(poor.exitCode, poor.log).to.equal(1);
      const failures = (JSON.parse(poor.log).findings as Finding[]).filter(({ outcome }) => outcome === 'failure');
      expect(failures).to.not.deep.equal([]);
      for (const { check, message, advice = '' } of failures) {
        expect([check, /may not (create|get) pods\/exec in namespace/.test(message)]).to.deep.equal([
          'permissions',
          true,
        ]);
        expect(advice).to.contain('docs/rbac.md');
      }
    } finally {
      await other.remove();
    }
  });

  it('serves with two replicas that are killed, rolled and drained, while builds of a host notice nothing', async () => {
    const { kubeConfig, kubeconfigPath, namespace } = real;
    const deployment = await createService(kubeConfig, namespace, {
      image: reference,
      databaseUrl: door.url,
      token,
      config: (config) => ({
        ...config,
        worker: { ...config.worker, name: workerName, volumeImage: shellImage },
        reaper: { everyMs: 2_000 },
      }),
    });
    await using replicas = new DisturbedDeployment(kubeConfig, deployment);
    // The host has no loops of its own: the service reaps and sends heartbeats.
    await using worker = await KubernetesWorker.open({
      name: workerName,
      namespace,
      kubeConfig: kubeconfigPath,
      database: database.url,
      volumeImage: shellImage,
      pods: { security: 'restricted', runAsUser: 1234 },
    });
    await replicas.ready();
    await expectAnswers(real);

    const disturbances = async (): Promise<void> => {
      await replicas.kill();
      await replicas.ready();
      await replicas.roll();
      await replicas.ready();
      await replicas.drain();
      await replicas.ready();
    };
    const [outputs] = await Promise.all([runBuilds(worker), disturbances()]);
    expect(outputs).to.deep.equal(Array.from({ length: builds }, (_, build) => `made by ${build}\nonce\n`));
    // Both replicas of the first version, of which one was killed and restarted, and one that was evicted.
    expect(await replicas.exitCodes(3)).to.deep.equal([0, 0, 0]);
    await expectAnswers(real);
    await podsOfBuildsGone(real);
  });
});

/** Returns a namespace that accepts only pods of the Pod Security standard "restricted". */
async function restrictedCluster(context: Context): Promise<RealCluster> {
  const real = await realCluster(context, 'image');
  const api = real.kubeConfig.makeApiClient(CoreV1Api);
  const name = real.namespace;
  const body = await api.readNamespace({ name });
  body.metadata!.labels!['pod-security.kubernetes.io/enforce'] = 'restricted';
  await api.replaceNamespace({ name, body });
  return real;
}

interface Finding {
  readonly check: string;
  readonly outcome: string;
  readonly message: string;
  readonly advice?: string;
}

/** Runs the image with arguments, with the security of the example. */
async function runPod(real: RealCluster, reference: string, args: string[]): ReturnType<typeof podEnd> {
  const { securityContext, containers } = readServiceManifest().deployment.spec!.template.spec!;
  const container = { name: 'main', image: reference, args, securityContext: containers[0]!.securityContext! };
  return await podEnd(real, { securityContext: securityContext!, containers: [container] });
}

/** Runs one command of the program as a replica of the service runs. */
async function runReplica(real: RealCluster, { spec }: V1Deployment, args: string[]): ReturnType<typeof podEnd> {
  const { containers, ...template } = spec!.template.spec!;
  const [{ startupProbe: _a, readinessProbe: _b, livenessProbe: _c, ...container }] = containers as [V1Container];
  const [, ...configuration] = container.args!;
  return await podEnd(real, { ...template, containers: [{ ...container, args: [...args, ...configuration] }] });
}

/** Removes a resource from the rules of the service. */
async function removePermission({ kubeConfig, namespace }: RealCluster, resource: string): Promise<void> {
  const api = kubeConfig.makeApiClient(RbacAuthorizationV1Api);
  const body = await api.readNamespacedRole({ name: 'kubernetes-worker', namespace });
  body.rules = body.rules!.filter(({ resources }) => resources?.includes(resource) !== true);
  await api.replaceNamespacedRole({ name: 'kubernetes-worker', namespace, body });
}

/** Runs a pod to its end. */
async function podEnd(
  { kubeConfig, namespace }: RealCluster,
  spec: V1PodSpec,
): Promise<{ log: string; exitCode: number | undefined }> {
  const api = kubeConfig.makeApiClient(CoreV1Api);
  const name = `command-${randomBytes(4).toString('hex')}`;
  const body = { metadata: { name }, spec: { ...spec, restartPolicy: 'Never' } };
  await api.createNamespacedPod({ namespace, body });
  for (;;) {
    const { status } = await api.readNamespacedPod({ name, namespace });
    const exitCode = status?.containerStatuses?.[0]?.state?.terminated?.exitCode;
    if (exitCode !== undefined) return { exitCode, log: await api.readNamespacedPodLog({ name, namespace }) };
    await sleep(200);
  }
}

/** Runs builds of two steps each. Returns what each one's second step has read. */
async function runBuilds(worker: Worker): Promise<readonly string[]> {
  const outputs: string[] = [];
  const waiting = Array.from({ length: builds }, (_, build) => build);
  const work = async (): Promise<void> => {
    for (let build = waiting.shift(); build !== undefined; build = waiting.shift())
      outputs[build] = await runBuild(worker, build);
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return outputs;
}

async function runBuild(worker: Worker, build: number): Promise<string> {
  const [make, use] = ['make', 'use'].map((step) => ({ kind: 'step', key: `${build}/${step}` })) as [Owner, Owner];
  const spec = { image: shellImage, dir: '/tmp/build' };
  const maker = await worker.findOrCreateContainer(make, { ...spec, outputs: { made: 'made' } });
  // The command takes a while, and is counted if it runs again.
  await sh(maker.container, `sleep 1; echo once >> count; echo made by ${build} > made/file; cat count >> made/file`);
  const artifact = maker.mounts.find(({ name }) => name === 'made')!.volume;
  const user = await worker.findOrCreateContainer(use, { ...spec, inputs: [{ artifact, path: 'in' }] });
  const { stdout } = await sh(user.container, 'cat in/file');
  await Promise.all([worker.ownerFinished(make), worker.ownerFinished(use)]);
  return stdout;
}

interface Owner {
  readonly kind: string;
  readonly key: string;
}

/** Expects that the status server and the metrics answer at the address of the Service. */
async function expectAnswers({ kubeConfig, namespace }: RealCluster): Promise<void> {
  const api = kubeConfig.makeApiClient(CoreV1Api);
  const { spec } = await api.readNamespacedService({ name: 'kubernetes-worker', namespace });
  const get = async (port: number, path: string, headers = {}): Promise<Response> =>
    await fetch(`http://${spec?.clusterIP}:${port}${path}`, { headers });
  // A replica whose event loop was late is not ready for a moment.
  await until('a replica is ready', async () => (await get(9393, '/readyz')).status === 200);
  expect((await get(9393, '/api/v1/status')).status).to.equal(401);
  expect((await get(9393, '/api/v1/status', { authorization: `Bearer ${token}` })).status).to.equal(200);
  expect(await (await get(9394, '/metrics')).text()).to.contain('kubernetes_worker_');
}

/** Waits until the reaper of the service has deleted the pods of the builds. */
async function podsOfBuildsGone({ kubeConfig, namespace }: RealCluster): Promise<void> {
  const api = kubeConfig.makeApiClient(CoreV1Api);
  const labelSelector = 'app.kubernetes.io/managed-by=kubernetes-worker';
  while ((await api.listNamespacedPod({ namespace, labelSelector })).items.length > 0) await sleep(200);
}
