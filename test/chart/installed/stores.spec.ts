import { expect } from 'chai';

import type { Container, KubernetesWorker } from '../../../src/index.ts';
import { makeContainer, sh } from '../../contract/worker/setup.ts';
import { openHost } from '../../support/chart/host.ts';
import { type Peer, peerPort, startPeer } from '../../support/chart/peer.ts';
import type { PodContainer } from '../../support/chart/pod-exec.ts';
import { agentProbe, type Outcome, probe, type Targets } from '../../support/chart/probe.ts';
import { clientLabels, Release } from '../../support/chart/release.ts';
import { shellImage } from '../../support/real-cluster.ts';

describe('The chart with a claim as the store, and policies of steps', function () {
  this.timeout(240_000);
  let release: Release;
  let worker: KubernetesWorker;
  let steps: string;
  let permitted: Peer;
  let other: Peer;

  before(async function () {
    release = await Release.prepare(this, 'store');
    const { kubeConfig, site } = release;
    steps = `${release.namespace}-steps`;
    const egress = [
      {
        to: [{ namespaceSelector: { matchLabels: nameOf(release.namespace) }, podSelector: { matchLabels: open } }],
        ports: [{ port: peerPort }],
      },
    ];
    const peer = async (name: string, labels = {}): Promise<Peer> =>
      await startPeer(kubeConfig, { namespace: release.namespace, name, image: site.image, labels });
    [permitted, other] = await Promise.all([
      peer('permitted', { ...open, ...clientLabels }),
      peer('other'),
      release.install({
        values: {
          steps: { namespace: steps, createNamespace: true, networkPolicy: { mode: 'allowlist', egress } },
          store: { pvc: { enabled: true, storageClassName: 'dynamic', size: '128Mi', keep: false } },
        },
      }),
    ]);
    worker = await openHost(release, { namespace: steps, stores: { pvc: { claim: 'kw-kubernetes-worker-store' } } });
  });

  after(async () => {
    await (worker as KubernetesWorker | undefined)?.close();
    await (release as Release | undefined)?.[Symbol.asyncDispose]();
    await (release as Release | undefined)?.removeNamespace(steps);
  });

  it('keeps the output of a step past its pod', async () => {
    expect(await outputPastItsPod(release, worker, steps)).to.equal('kept\n');
  });

  it('lets steps reach what is listed, hermetic steps and the store nothing, and no pod reach any of them', async () => {
    const { kubeConfig } = release;
    const [step, hermetic] = await Promise.all([
      makeContainer(worker, shellImage),
      makeContainer(worker, shellImage, { hermetic: true }),
    ]);
    for (const { container } of [step, hermetic])
      await container.run({ path: 'httpd', args: ['-f', '-p', '8080'] }, {});
    const targets = await targetsOf();
    const pods = [inPod(step.container), inPod(hermetic.container), await storePod()];
    const [ofStep, ofHermetic, ofStore] = await Promise.all(
      pods.map(async (pod) => await agentProbe(kubeConfig, pod, targets)),
    );
    // All of them exist, and answer those that no policy concerns.
    expect(await probe(kubeConfig, permitted, targets)).to.deep.equal(all('connected', targets));
    const nothing = all('unreachable', targets);
    expect(ofStep).to.deep.equal({ ...nothing, permitted: 'connected', 'name resolution': 'connected' });
    expect(ofHermetic).to.deep.equal(nothing);
    expect(ofStore).to.deep.equal(nothing);
    const inwards = Object.fromEntries(
      await Promise.all(pods.map(async (pod) => [pod.pod, `${await addressOf(pod)}:${peerPort}`] as const)),
    );
    expect(await probe(kubeConfig, permitted, inwards)).to.deep.equal(all('unreachable', inwards));
  });

  /** Addresses by number, because the agent resolves no names. */
  async function targetsOf(): Promise<Targets> {
    const { site, core, namespace } = release;
    const dns = await core.readNamespacedService({ name: 'kube-dns', namespace: 'kube-system' });
    const status = await core.readNamespacedPod({ namespace, name: (await release.servicePod()).pod });
    return {
      permitted: permitted.address,
      other: other.address,
      'name resolution': `${dns.spec?.clusterIP}:53`,
      'the API server': `${site.apiServer.address}:${site.apiServer.port}`,
      'the database': `${site.databaseServer.address}:${site.databaseServer.port}`,
      'the status API': `${status.status?.podIP}:9393`,
    };
  }

  const inPod = ({ podName }: Container): PodContainer => ({ namespace: steps, pod: podName, container: 'main' });

  async function storePod(): Promise<PodContainer> {
    const labelSelector = 'kubernetes-worker/store';
    const { items } = await release.core.listNamespacedPod({ namespace: steps, labelSelector });
    return { namespace: steps, pod: items[0]!.metadata!.name!, container: 'main' };
  }

  async function addressOf({ pod }: PodContainer): Promise<string> {
    const { status } = await release.core.readNamespacedPod({ namespace: steps, name: pod });
    return status?.podIP ?? '';
  }
});

/** The label of what the policy of the steps permits. */
const open = { 'test/open': 'true' };
const nameOf = (namespace: string): Record<string, string> => ({ 'kubernetes.io/metadata.name': namespace });
const all = (outcome: Outcome, targets: Targets): Record<string, Outcome> =>
  Object.fromEntries(Object.keys(targets).map((name) => [name, outcome]));

/** Makes an output, deletes the pod that has made it, and returns what another step reads. */
async function outputPastItsPod(release: Release, worker: KubernetesWorker, namespace: string): Promise<string> {
  const made = await makeContainer(worker, shellImage, { outputs: { made: 'made' } });
  const { unsaved } = await sh(made.container, 'echo kept > made/file');
  expect(unsaved ?? []).to.deep.equal([]);
  const artifact = made.mounts.find(({ name }) => name === 'made')!.volume;
  const before = await artifact.status();
  expect(before.store).to.equal('pvc');
  // As if its node were lost.
  const pod = { namespace, name: made.container.podName };
  await release.core.deleteNamespacedPod({ ...pod, gracePeriodSeconds: 0 });
  const used = await makeContainer(worker, shellImage, { inputs: [{ artifact, path: 'in' }] });
  return (await sh(used.container, 'cat in/file')).stdout;
}
