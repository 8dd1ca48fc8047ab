import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { ContainerSpec, KubernetesWorker, KubernetesWorkerOptions, StepProgress } from '../../src/index.ts';
import { Collector, makeContainer, newOwner, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type AdmissionWebhook, admissionWebhook } from '../support/kube/admission-webhook.ts';
import { kubeApi } from '../support/kube/kube-api.ts';
import { missingImage, type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';

// `classification.spec.ts`, `pod-ends.spec.ts` and `memory.spec.ts` provoke the other failures.
describe('failures of pods on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let setup: ReturnType<typeof realWorkers>;
  let worker: KubernetesWorker;
  let api: CoreV1Api;

  before(async function () {
    real = await realCluster(this, 'failures');
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    database = await newPGlite();
    setup = realWorkers(real, database);
    worker = await setup.openWith({});
  });

  after(async () => {
    await (worker as KubernetesWorker | undefined)?.close();
    await real?.remove();
    await database?.close();
  });

  /** Returns the error of a creation. */
  async function failure(
    parts: Partial<ContainerSpec>,
    options: Partial<KubernetesWorkerOptions> = {},
  ): Promise<Error> {
    await using host = await setup.openWith(options);
    return await rejection(host.findOrCreateContainer(newOwner(), { image: shellImage, ...parts }));
  }

  /** Deletes the pod of a creation once its progress has reached an event. Returns the error. */
  async function deletedAt(kind: StepProgress['kind'], parts: Partial<ContainerSpec>): Promise<Error> {
    const reached = new EventEmitter();
    const delegate = {
      progress: (event: StepProgress): void => {
        if (event.kind === kind) reached.emit('reached');
      },
    };
    const isReached = once(reached, 'reached');
    const known = new Set(await setup.podNames());
    const creating = rejection(worker.findOrCreateContainer(newOwner(), { image: shellImage, ...parts }, { delegate }));
    await isReached;
    const name = (await setup.podNames()).find((each) => !known.has(each)) ?? '';
    await api.deleteNamespacedPod({ namespace: real!.namespace, name });
    return await creating;
  }

  for (const [what, kind, parts] of [
    ['waits for a node', 'unschedulable', { limits: { cpuMilli: 4_000_000 } }],
    ['pulls its image', 'pulling', { image: missingImage }],
    ['creates its containers', 'scheduled', {}],
  ] as const)
    it(`a deletion while the pod ${what} rejects the creation [A29]`, async () => {
      expect(await deletedAt(kind, parts)).to.include({
        code: 'KW_ERR_POD_DELETED',
        retryable: false,
        mayStillRun: false,
      });
    });

  it('a deletion without a grace period rejects wait(), and the command may still run [A30]', async () => {
    const { container } = await makeContainer(worker, shellImage);
    const process = await container.run({ path: 'sleep', args: ['600'] }, {});
    const waiting = rejection(process.wait());
    const where = { namespace: real!.namespace, name: container.podName };
    while ((await api.readNamespacedPod(where)).status?.phase !== 'Running') await sleep(200);
    await api.deleteNamespacedPod({ ...where, gracePeriodSeconds: 0 });
    expect(await waiting).to.include({ code: 'KW_ERR_POD_DELETED', retryable: false, mayStillRun: true });
  });

  it('a deletion while no command runs rejects the next run, with the diagnostics of the pod on its stderr', async () => {
    const { container } = await makeContainer(worker, shellImage);
    await setup.deletePod(container.podName);
    const stderr = new Collector();
    expect(await rejection(container.run({ path: 'true' }, { stderr }))).to.include({
      code: 'KW_ERR_CONTAINER_DISAPPEARED',
      retryable: false,
    });
    expect(stderr.text).to.include(`pod ${real!.namespace}/${container.podName} no longer exists`);
  });

  for (const [what, command, reason] of [
    ['is missing', { command: ['/no/such/program'] }, /no such file or directory/],
    ['has a directory that is a file', { command: ['true'], dir: '/bin/busybox' }, /not a directory/],
  ] as const)
    it(`a sidecar whose program ${what} is final, in the words of the runtime, while a command runs as well`, async () => {
      const sidecars = [{ name: 'db', image: shellImage, ...command }];
      const running = async (): Promise<void> => {
        const { container } = await makeContainer(worker, shellImage, { sidecars });
        await sh(container, 'sleep 60');
      };
      const error = await rejection(running());
      expect(error).to.include({ code: 'KW_ERR_POD_FAILED', retryable: false });
      expect(error.message)
        .to.match(/container db/)
        .and.match(reason);
    });

  it('an image whose user is root is final if pods must not run as root', async () => {
    const error = await failure({}, { pods: { runAsNonRoot: true } });
    expect(error).to.include({
      code: 'KW_ERR_POD_FAILED',
      reason: 'CreateContainerConfigError',
      retryable: false,
    });
    expect(error.message).to.include('image will run as root');
  });

  it('a claim that does not exist keeps the pod without a node, and is retryable after the time-out [A26]', async () => {
    const volumes = [{ name: 'x', persistentVolumeClaim: { claimName: 'no-such-claim' } }];
    const error = await failure({ pod: { overlay: { spec: { volumes } } } }, { schedulingTimeoutMs: 3_000 });
    expect(error).to.include({ code: 'KW_ERR_POD_UNSCHEDULABLE', retryable: true });
    expect(error.message).to.include('"no-such-claim" not found');
  });

  it('a config map that does not exist keeps the pod from its start, and is retryable after the time-out [A27]', async () => {
    const overlay = {
      spec: {
        volumes: [{ name: 'x', configMap: { name: 'no-such-map' } }],
        containers: [{ name: 'main' as const, volumeMounts: [{ name: 'x', mountPath: '/x' }] }],
      },
    };
    // The node reports the state of the containers some seconds after the pod is assigned.
    const error = await failure({ pod: { overlay } }, { startTimeoutMs: 15_000 });
    expect(error).to.include({ code: 'KW_ERR_POD_START_TIMEOUT', reason: 'ContainerCreating', retryable: true });
  });

  context('an admission webhook', () => {
    let webhook: AdmissionWebhook | undefined;

    before(async function () {
      kubeApi(this); // A server that it starts runs on this machine, and so reaches the webhook.
      webhook = await admissionWebhook(real!.kubeConfig, real!.namespace);
    });

    after(async () => {
      await webhook?.[Symbol.asyncDispose]();
    });

    it('that refuses the pod is final, in its words', async () => {
      webhook!.verdict = { refusal: 'the moon is in the wrong phase' };
      const error = await failure({});
      expect(error).to.include({ code: 'KW_ERR_ADMISSION_DENIED', retryable: false });
      expect(error.message).to.include('denied the request: the moon is in the wrong phase').and.not.include('Role');
    });

    it('that adds a failing init container: it is named, with its exit code and last output [A28]', async () => {
      const init = { name: 'mesh', image: shellImage, command: ['sh', '-c', 'echo no route; exit 7'] };
      webhook!.verdict = { patch: [{ op: 'add', path: '/spec/initContainers', value: [init] }] };
      const error = await failure({});
      expect(error).to.include({ code: 'KW_ERR_POD_FAILED', reason: 'Error', retryable: false });
      expect(error.message).to.match(
        /container mesh ended at each of 3 starts, the last time with exit code 7; its last output: no route$/,
      );
    });

    it('that sets an invalid image is final at once', async () => {
      webhook!.verdict = {
        patch: [{ op: 'replace', path: '/spec/containers/0/image', value: 'registry.local/UPPER' }],
      };
      expect(await failure({})).to.include({
        code: 'KW_ERR_IMAGE_PULL_FAILED',
        reason: 'InvalidImageName',
        image: 'registry.local/UPPER',
        retryable: false,
      });
    });

    it('that sets a missing seccomp profile: the container cannot be created, which is final', async () => {
      const seccompProfile = { type: 'Localhost', localhostProfile: 'no-such-profile.json' };
      webhook!.verdict = {
        patch: [{ op: 'add', path: '/spec/securityContext/seccompProfile', value: seccompProfile }],
      };
      expect(await failure({})).to.include({
        code: 'KW_ERR_POD_FAILED',
        reason: 'CreateContainerError',
        retryable: false,
      });
    });
  });

  it('fifty containers at once have a pod, output and properties of their own each, and leave no pod [A21] [A51]', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `step-${String(index)}`);
    const created = await Promise.all(
      names.map(async (name) => {
        const { container, owner } = await makeContainer(worker, shellImage, { env: [`NAME=${name}`] });
        await container.setProperty('name', name);
        const { stdout, stderr } = await sh(container, 'echo "$NAME"; echo "$NAME" >&2');
        expect([stdout, stderr, await container.properties()]).to.deep.equal([`${name}\n`, `${name}\n`, { name }]);
        return { owner, podName: container.podName };
      }),
    );
    await Promise.all(created.map(({ owner }) => worker.ownerFinished(owner)));
    await worker.reap();
    const left = await setup.podNames();
    expect(created.filter(({ podName }) => left.includes(podName))).to.deep.equal([]);
  });
});
