import type { V1NetworkPolicyPeer } from '@kubernetes/client-node';
import { expect } from 'chai';

import { render } from '../../support/chart/helm.ts';
import { podsOf } from '../../support/chart/pods.ts';
import { type NetworkPolicy, ofKind, type RenderedObject } from '../../support/chart/rendered-object.ts';
import { everyKeyFiles, forEachValueSet } from '../../support/chart/value-sets.ts';
import type { Values } from '../../support/chart/values.ts';

type Policy = RenderedObject & NetworkPolicy;

const metadataAddresses = ['169.254.169.254', 'fd00:ec2::254'];

describe('the network policies of the chart', () => {
  forEachValueSet('every policy decides both directions', (objects) => {
    for (const policy of ofKind(objects, 'NetworkPolicy'))
      expect(policy.spec.policyTypes, policy.metadata.name).to.have.members(['Ingress', 'Egress']);
  });

  forEachValueSet('no rule permits every address or every port', (objects) => {
    for (const policy of ofKind(objects, 'NetworkPolicy'))
      for (const { peers, ports } of rulesOf(policy)) {
        expect(peers, `${policy.metadata.name}: peers`).not.to.deep.equal([]);
        expect(ports, `${policy.metadata.name}: ports`).not.to.deep.equal([]);
        for (const { port } of ports) expect(port, policy.metadata.name).not.to.equal(undefined);
        for (const peer of peers) {
          expect(Object.keys(peer), policy.metadata.name).not.to.deep.equal([]);
          expect(peer.ipBlock?.cidr ?? '', policy.metadata.name).not.to.match(/\/0$/);
          for (const address of metadataAddresses) expect(peer.ipBlock?.cidr ?? '').not.to.contain(address);
        }
      }
  });

  forEachValueSet('every rule says the protocol', (objects) => {
    for (const policy of ofKind(objects, 'NetworkPolicy'))
      for (const { ports } of rulesOf(policy))
        for (const { protocol } of ports) expect(protocol, policy.metadata.name).to.be.oneOf(['TCP', 'UDP', 'SCTP']);
  });

  it('every pod of the chart has a policy, with all on', async () => {
    const objects = await render({ files: everyKeyFiles });
    const policies = ofKind(objects, 'NetworkPolicy');
    for (const pod of podsOf(objects)) {
      const own = policies.filter(
        ({ metadata, spec }) =>
          metadata.namespace === pod.namespace &&
          Object.entries(spec.podSelector.matchLabels ?? {}).every(([key, value]) => pod.labels[key] === value),
      );
      expect(
        own.map(({ metadata }) => metadata.name),
        pod.of,
      ).to.have.length(1);
    }
  });

  it('the service receives from the peers of the values only', async () => {
    const policy = await serviceWith({ clients: [], scrapers: [] });
    expect(policy.spec.ingress).to.deep.equal([]);
    const from = [{ podSelector: { matchLabels: { a: 'b' } } }];
    const withClients = await serviceWith({ clients: from, scrapers: [] });
    expect(withClients.spec.ingress).to.deep.equal([{ from, ports: [{ protocol: 'TCP', port: 'http' }] }]);
    const withScrapers = await serviceWith({ clients: [], scrapers: from });
    expect(withScrapers.spec.ingress).to.deep.equal([{ from, ports: [{ protocol: 'TCP', port: 'metrics' }] }]);
  });

  it('the service reaches names, the API server and the database, and nothing else', async () => {
    const policy = await serviceWith({ extraEgress: [] });
    const reached = (policy.spec.egress ?? []).map(({ ports = [] }) =>
      ports.map(({ protocol, port }) => `${protocol} ${port}`),
    );
    expect(reached).to.deep.equal([['UDP 53', 'TCP 53'], ['TCP 6443'], ['TCP 5432']]);
    const withoutNames = await serviceWith({ extraEgress: [], dns: { enabled: false } });
    expect(withoutNames.spec.egress?.map(({ ports }) => ports?.[0]?.port)).to.deep.equal([6443, 5432]);
  });

  forEachValueSet('hermetic steps have a policy that permits nothing', (objects) => {
    const policy = named(objects, /-hermetic$/);
    expect(policy.spec).to.deep.include({ ingress: [], egress: [] });
    expect(policy.spec.podSelector.matchLabels).to.include({ 'kubernetes-worker/hermetic': 'true' });
  });

  it('has one policy of steps for each mode', async () => {
    const modeOf = async (networkPolicy: Values): Promise<readonly Policy[]> => {
      const objects = await render({ profile: 'minimal', values: { steps: { networkPolicy } } });
      return ofKind(objects, 'NetworkPolicy').filter(({ metadata }) => metadata.name.endsWith('-steps'));
    };
    expect(await modeOf({ mode: 'unmanaged' })).to.deep.equal([]);
    const [denying] = await modeOf({ mode: 'deny-all' });
    expect(denying?.spec).to.deep.include({ ingress: [], egress: [] });
    const egress = [{ to: [{ ipBlock: { cidr: '10.1.0.0/16' } }], ports: [{ protocol: 'TCP', port: 443 }] }];
    const [listing] = await modeOf({ mode: 'allowlist', egress });
    expect(listing?.spec.ingress).to.deep.equal([]);
    expect(listing?.spec.egress?.at(-1)).to.deep.equal(egress[0]);
    expect(listing?.spec.egress).to.have.length(2);
  });

  async function serviceWith(networkPolicy: Values): Promise<Policy> {
    const objects = await render({
      files: everyKeyFiles,
      values: { networkPolicy, serviceMonitor: { enabled: false } },
    });
    return named(objects, /^kw-kubernetes-worker$/);
  }
});

function named(objects: readonly RenderedObject[], pattern: RegExp): Policy {
  const policies = ofKind(objects, 'NetworkPolicy').filter(({ metadata }) => pattern.test(metadata.name));
  expect(policies, String(pattern)).to.have.length(1);
  return policies[0]!;
}

interface Rule {
  readonly peers: readonly V1NetworkPolicyPeer[];
  readonly ports: readonly { readonly protocol?: string; readonly port?: unknown }[];
}

function rulesOf({ spec }: Policy): readonly Rule[] {
  return [
    ...(spec.ingress ?? []).map(({ from = [], ports = [] }) => ({ peers: from, ports })),
    ...(spec.egress ?? []).map(({ to = [], ports = [] }) => ({ peers: to, ports })),
  ];
}
