import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type { V1Pod } from '@kubernetes/client-node';
import { expect } from 'chai';

import {
  hermeticPermissions,
  optionalClusterPermissions,
  requiredPermissions,
} from '../../../src/kubernetes/required-permissions.ts';
import { until } from '../../support/agent/agent-process.ts';
import { type Access, AccessReview, textOf } from '../../support/chart/access.ts';
import { dryRunPod, privileged } from '../../support/chart/admission.ts';
import { defineCustomKinds } from '../../support/chart/custom-kinds.ts';
import { accessOf, deniedAccess } from '../../support/chart/denied-access.ts';
import { cordon, evict, evictAtLast, readyCount } from '../../support/chart/node-drain.ts';
import { type Peer, startPeer } from '../../support/chart/peer.ts';
import { get, probe, type Targets } from '../../support/chart/probe.ts';
import { clientLabels, Release, scraperLabels } from '../../support/chart/release.ts';
import { DisturbedDeployment } from '../../support/image/deployment.ts';
import { hostAddress } from '../../support/image/means.ts';
import { idlePod } from '../../support/real-cluster.ts';
import { rejection } from '../../support/rejection.ts';

describe('The chart with the profile production-ha', function () {
  this.timeout(240_000);
  let release: Release;
  let steps: string;
  let kinds: AsyncDisposable | undefined;

  before(async function () {
    release = await Release.prepare(this, 'ha');
    steps = `${release.namespace}-steps`;
    kinds = await defineCustomKinds(release.kubeConfig);
    const claim = { storageClassName: 'dynamic', size: '128Mi', keep: false };
    await release.install({
      profile: 'production-ha',
      values: { steps: { namespace: steps }, store: { pvc: claim }, config: { images: { preflight: 'off' } } },
    });
  });

  after(async () => {
    // It has cluster roles, which do not end with its namespace.
    await (release as Release | undefined)?.discard();
    await kinds?.[Symbol.asyncDispose]();
    await (release as Release | undefined)?.[Symbol.asyncDispose]();
    await (release as Release | undefined)?.removeNamespace(steps);
  });

  it('runs two replicas under the standard restricted, and steps under baseline, and passes its test', async () => {
    expect(await release.pods()).to.have.length(2);
    expect(await release.test()).to.match(/^The step ran as \d+\.$/m);
    expect(await release.standardOf(release.namespace)).to.equal('restricted');
    expect(await release.standardOf(steps)).to.equal('baseline');
    const step = idlePod('step');
    await dryRunPod(release.kubeConfig, steps, step);
    const error = await rejection(dryRunPod(release.kubeConfig, steps, privileged(step)));
    expect(String(error)).to.include('violates PodSecurity');
  });

  it('permits the service what a worker needs in the namespace of the steps, and nothing else anywhere', async () => {
    const { namespace, kubeConfig } = release;
    const review = new AccessReview(kubeConfig, { namespace, name: release.deployment });
    const needed = accessOf([...requiredPermissions, ...hermeticPermissions], steps);
    const nodes = (where: string): readonly Access[] => accessOf(optionalClusterPermissions, where);
    expect(await review.rules(steps)).to.deep.equal([...needed, ...nodes(steps)].map(textOf).sort());
    expect(await review.permitted(needed)).to.have.members(needed.map(textOf));
    // The profile permits the cluster-wide permission, and it is the only one.
    expect(await review.rules(namespace)).to.deep.equal(nodes(namespace).map(textOf).sort());
    expect(await review.permitted(deniedAccess(needed, [namespace, steps]))).to.deep.equal([]);
  });

  it('permits steps nothing', async () => {
    const review = new AccessReview(release.kubeConfig, { namespace: steps, name: `${release.deployment}-steps` });
    for (const namespace of [release.namespace, steps]) expect(await review.rules(namespace)).to.deep.equal([]);
  });

  describe('with network policies', () => {
    let other: Server;
    let stranger: Peer;
    let client: Peer;
    let scraper: Peer;

    before(async () => {
      const { namespace, kubeConfig, site } = release;
      other = createServer((socket) => socket.end()).listen(0, hostAddress);
      const peer = async (name: string, labels = {}): Promise<Peer> =>
        await startPeer(kubeConfig, { namespace, name, image: site.image, labels });
      [stranger, client, scraper] = await Promise.all([
        peer('stranger'),
        peer('client', clientLabels),
        peer('scraper', scraperLabels),
        once(other, 'listening'),
      ]);
    });

    after(() => {
      (other as Server | undefined)?.close();
    });

    it('lets the service reach the API server, the database and name resolution, and nothing else', async () => {
      const { kubeConfig, site } = release;
      const permitted: Targets = {
        'the API server': 'kubernetes.default.svc:443',
        'the database': `${site.databaseServer.address}:${site.databaseServer.port}`,
        'name resolution': 'kube-dns.kube-system.svc:53',
      };
      const denied: Targets = {
        'another port of the database': `${hostAddress}:${(other.address() as AddressInfo).port}`,
        'a pod': stranger.address,
      };
      const targets = { ...permitted, ...denied };
      const [fromService, fromElsewhere] = await Promise.all([
        probe(kubeConfig, await release.servicePod(), targets),
        probe(kubeConfig, client, targets),
      ]);
      expect(fromElsewhere).to.deep.equal(everyone(targets, 'connected'));
      expect(fromService).to.deep.equal({ ...everyone(permitted, 'connected'), ...everyone(denied, 'unreachable') });
    });

    it('lets clients reach the status API, scrapers the metrics, and others neither', async () => {
      const { kubeConfig } = release;
      const [pod] = await release.pods();
      const ports = (host: string): Targets => ({ status: `${host}:9393`, metrics: `${host}:9394` });
      const from = async (peer: Peer): Promise<object> => ({
        service: await probe(kubeConfig, peer, ports(release.deployment)),
        pod: await probe(kubeConfig, peer, ports(pod!.status!.podIP!)),
      });
      const [ofClient, ofScraper, ofStranger] = await Promise.all([client, scraper, stranger].map(from));
      const both = (outcomes: object): object => ({ service: outcomes, pod: outcomes });
      expect(ofClient).to.deep.equal(both({ status: 'connected', metrics: 'unreachable' }));
      expect(ofScraper).to.deep.equal(both({ status: 'unreachable', metrics: 'connected' }));
      expect(ofStranger).to.deep.equal(both({ status: 'unreachable', metrics: 'unreachable' }));
      const url = `http://${release.deployment}`;
      // A replica whose event loop was late is not ready for a moment.
      await until('it is ready', async () => (await get(kubeConfig, client, `${url}:9393/readyz`)).status === 200);
      expect((await get(kubeConfig, scraper, `${url}:9394/metrics`)).text).to.match(/^kubernetes_worker_\w+/m);
    });
  });

  it('keeps a replica while a node is drained: the budget delays the second eviction', async () => {
    const deployment = { name: release.deployment, namespace: release.namespace };
    await using replicas = new DisturbedDeployment(
      release.kubeConfig,
      await release.apps.readNamespacedDeployment(deployment),
    );
    const [first, second] = await release.pods();
    await using node = await cordon(release.core, second!.spec!.nodeName!);
    await evictAtLast(release.core, first!);
    const refusal = await rejection(evict(release.core, second!));
    expect(refusal).to.include({ code: 429 });
    expect(String(refusal)).to.include("would violate the pod's disruption budget");
    const stays = (pods: readonly V1Pod[]): boolean =>
      pods.some(({ metadata }) => metadata?.uid === second!.metadata!.uid && metadata?.deletionTimestamp === undefined);
    // As `kubectl drain` does: it tries again until it may.
    for (let pods = await release.pods(); readyCount(pods) < 2; pods = await release.pods()) {
      expect(stays(pods)).to.equal(true);
      await sleep(200);
    }
    await evictAtLast(release.core, second!);
    await replicas.ready();
    const nodes = (await release.pods()).map(({ spec }) => spec?.nodeName);
    expect(nodes).to.have.length(2).and.not.to.include(node.name);
  });
});

function everyone<T>(targets: Targets, outcome: T): Record<string, T> {
  return Object.fromEntries(Object.keys(targets).map((name) => [name, outcome]));
}
