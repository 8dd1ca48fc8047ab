import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, NetworkingV1Api, type V1NetworkPolicySpec } from '@kubernetes/client-node';
import { expect } from 'chai';

import { egressPolicyName } from '../../src/hermetic/egress-policy.ts';
import {
  type Container,
  HermeticNotEnforcedError,
  KubernetesWorker,
  type KubernetesWorkerOptions,
} from '../../src/index.ts';
import { hermeticPermissions, requiredPermissions } from '../../src/kubernetes/required-permissions.ts';
import { makeContainer, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';
import { rulesOf, serviceAccount } from '../support/service-account.ts';
import { readTarText, tarOf } from '../support/tar.ts';
import { reportedInTime } from '../support/worker-setup.ts';

describe('A hermetic container on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let network: NetworkingV1Api;
  let worker: KubernetesWorker;

  const open = async (options: Partial<KubernetesWorkerOptions> = {}): Promise<KubernetesWorker> => {
    return await KubernetesWorker.open({
      name: `hermetic-${randomBytes(3).toString('hex')}`,
      namespace: real!.namespace,
      kubeConfig: real!.kubeConfig,
      database: database!,
      volumeImage: shellImage,
      ...reportedInTime,
      ...options,
    });
  };

  before(async function () {
    real = await realCluster(this, 'hermetic');
    database = await newPGlite();
    network = real.kubeConfig.makeApiClient(NetworkingV1Api);
    worker = await open();
  });

  after(async () => {
    await (worker as KubernetesWorker | undefined)?.close();
    await real?.remove();
    await database?.close();
  });

  const hermetic = { hermetic: true } as const;

  /** Tries a TCP connection from a container. */
  const reach = async (container: Container, host: string, port: number): Promise<string> =>
    (await sh(container, `/.kw-agent/agent reach ${host} ${port} 1500`)).stdout.split(' ')[0] ?? '';

  const refusal = async (by: KubernetesWorker): Promise<unknown> =>
    await rejection(makeContainer(by, shellImage, hermetic));

  const deletePolicy = async (name: string): Promise<void> => {
    await network.deleteNamespacedNetworkPolicy({ namespace: real!.namespace, name });
  };

  /** Runs work while the namespace has a further policy. */
  async function withPolicy<T>(name: string, spec: V1NetworkPolicySpec, work: () => Promise<T>): Promise<T> {
    await network.createNamespacedNetworkPolicy({ namespace: real!.namespace, body: { metadata: { name }, spec } });
    try {
      return await work();
    } finally {
      await deletePolicy(name);
    }
  }

  it('reaches neither the API server, nor DNS, nor a Service, nor another pod; an ordinary one does', async () => {
    const api = real!.kubeConfig.makeApiClient(CoreV1Api);
    const service = await api.readNamespacedService({ name: 'kubernetes', namespace: 'default' });
    const address = service.spec?.clusterIP ?? '';
    const { items } = await api.listNamespacedService({ namespace: 'kube-system' });
    const dns = items.find(({ spec }) => spec?.ports?.some(({ port }) => port === 53))?.spec?.clusterIP ?? '';
    const ordinary = await makeContainer(worker, shellImage);
    const { container } = await makeContainer(worker, shellImage, hermetic);
    await ordinary.container.run({ path: 'httpd', args: ['-f', '-p', '8080'] }, {});
    const pod = await api.readNamespacedPod({ namespace: real!.namespace, name: ordinary.container.podName });
    const peer = pod.status?.podIP ?? '';
    const lookUp = 'timeout 2 nslookup kubernetes.default.svc.cluster.local >/dev/null 2>&1; echo $?';
    const tries = async (from: Container): Promise<readonly string[]> => [
      await reach(from, address, 443),
      await reach(from, dns, 53),
      (await sh(from, lookUp)).stdout === '0\n' ? 'resolved' : 'unresolved',
    ];
    expect(await tries(ordinary.container)).to.deep.equal(['connected', 'connected', 'resolved']);
    expect(await tries(container)).to.deep.equal(['unreachable', 'unreachable', 'unresolved']);
    const other = await makeContainer(worker, shellImage);
    expect(await reach(other.container, peer, 8080)).to.equal('connected');
    expect(await reach(container, peer, 8080)).to.equal('unreachable');
  });

  it('takes inputs, runs commands also as other users, and gives outputs', async () => {
    const { volume } = await worker.createVolumeForArtifact('team');
    await volume.streamIn('.', Readable.from([await tarOf({ 'a.txt': 'content' })]));
    const { container, mounts } = await makeContainer(worker, shellImage, {
      ...hermetic,
      inputs: [{ artifact: volume, path: 'in' }],
      outputs: { out: 'out' },
    });
    const script =
      'cat in/a.txt > out/b.txt; chown 65534 out/b.txt; chmod 600 out/b.txt; grep CapEff /proc/self/status';
    const root = await sh(container, script);
    expect(root.exitStatus).to.equal(0);
    // CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID
    expect(root.stdout.trim().split('\t')[1]).to.equal('00000000000000eb');
    expect((await sh(container, 'id -u', { user: '65534' })).stdout).to.equal('65534\n');
    const stopped = await container.run({ path: 'sleep', args: ['1000'], user: '65534' }, {});
    await stopped.signal(9);
    expect((await stopped.wait()).signal).to.equal(9);
    const output = mounts.find(({ name }) => name === 'out')!.volume;
    expect(await readTarText(await output.streamOut('b.txt'))).to.deep.equal({ 'b.txt': 'content' });
    expect((await sh(container, 'ls /var/run/secrets/kubernetes.io')).exitStatus).not.to.equal(0);
  });

  it('is refused if the NetworkPolicy differs, and recreates one that was deleted', async () => {
    await deletePolicy(egressPolicyName);
    const open53 = { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 53 }] }] };
    const error = await withPolicy(egressPolicyName, open53, () => refusal(worker));
    expect(error).to.be.instanceOf(HermeticNotEnforcedError).with.property('reason', 'policy-differs');
    await makeContainer(worker, shellImage, hermetic);
    const policy = { namespace: real!.namespace, name: egressPolicyName };
    expect((await network.readNamespacedNetworkPolicy(policy)).spec?.egress).to.equal(undefined);
  });

  it('is refused if another NetworkPolicy permits it to send', async () => {
    const spec = { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 53 }] }] };
    const error = await withPolicy('dns', spec, () => refusal(worker));
    expect(error).to.be.instanceOf(HermeticNotEnforcedError).with.property('reason', 'policy-differs');
    expect(error)
      .property('message')
      .to.match(/NetworkPolicy dns permits egress of pod /);
  });

  it('is refused if ordinary pods do not reach the API server either', async () => {
    await using other = await open();
    const spec = { podSelector: {}, policyTypes: ['Egress'] };
    const error = await withPolicy('deny-all', spec, () => refusal(other));
    expect(error).to.be.instanceOf(HermeticNotEnforcedError).with.property('reason', 'probe-inconclusive');
  });

  it('needs the permissions for network policies', async () => {
    const { namespace, kubeConfig: admin } = real!;
    const [list] = hermeticPermissions;
    const accounts = [
      { name: 'ordinary', rules: rulesOf(requiredPermissions), problem: { code: 'KW_ERR_FORBIDDEN', verb: 'list' } },
      { name: 'reader', rules: rulesOf([...requiredPermissions, list!]), problem: { reason: 'policy-missing' } },
      { name: 'creator', rules: rulesOf([...requiredPermissions, ...hermeticPermissions]), problem: undefined },
    ];
    await deletePolicy(egressPolicyName);
    for (const { name, rules, problem } of accounts) {
      await using restricted = await open({ kubeConfig: await serviceAccount(admin, { name, namespace, rules }) });
      if (problem === undefined) await makeContainer(restricted, shellImage, hermetic);
      else expect(await refusal(restricted)).to.include(problem);
    }
  });

  it('is examined by check(), whose pods the reaper deletes', async () => {
    await using other = await open();
    const { ok, findings } = await other.check({ networkPolicy: true });
    expect(findings.filter(({ outcome }) => outcome === 'failure')).to.deep.equal([]);
    expect(ok).to.equal(true);
    expect(findings.at(-1)).to.include({ check: 'network-policy', outcome: 'ok' });
    expect(await other.reap()).to.include({ deletedPods: 2, deletedContainers: 2 });
  });
});
