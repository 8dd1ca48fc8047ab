import { expect } from 'chai';

import { render } from '../../support/chart/helm.ts';
import { type ChartPod, podsOf } from '../../support/chart/pods.ts';
import { ofKind, oneOfKind, type RenderedObject } from '../../support/chart/rendered-object.ts';
import { everyKeyFiles, forEachValueSet } from '../../support/chart/value-sets.ts';

type Labels = Readonly<Record<string, string>>;

describe('the labels and selectors of the chart', () => {
  forEachValueSet('every object has the labels of the release', (objects, { name }) => {
    for (const { kind, metadata } of objects) {
      if (metadata.name.endsWith('-extra')) continue;
      expect(metadata.labels, `${name}: ${kind} ${metadata.name}`).to.include({
        'app.kubernetes.io/name': 'kubernetes-worker',
        'app.kubernetes.io/instance': 'kw',
        'app.kubernetes.io/managed-by': 'Helm',
        'app.kubernetes.io/part-of': 'kubernetes-worker',
      });
      expect(metadata.labels).to.include.keys(
        'app.kubernetes.io/component',
        'app.kubernetes.io/version',
        'helm.sh/chart',
      );
    }
  });

  forEachValueSet('a kind, a namespace and a name are one object', (objects) => {
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    expect(names).to.deep.equal([...new Set(names)]);
  });

  forEachValueSet('every selector names the release and the component', (objects) => {
    for (const [of, labels] of selectorsOf(objects))
      expect(labels, of).to.include.keys('app.kubernetes.io/instance', 'app.kubernetes.io/component');
  });

  forEachValueSet('every selector of the service selects the pods of the service, and no other', (objects) => {
    const pods = podsOf(objects);
    for (const [of, labels] of selectorsOf(objects)) {
      const selected = pods
        .filter((pod) => selects(labels, pod))
        .map((pod) => pod.labels['app.kubernetes.io/component']);
      const component = labels['app.kubernetes.io/component'];
      expect(selected.length, `${of} selects a pod`).to.be.greaterThan(0);
      expect(new Set(selected), of).to.deep.equal(new Set([component]));
    }
    const service = oneOfKind(objects, 'Service').spec?.selector ?? {};
    expect(pods.filter((pod) => selects(service, pod)).map(({ of }) => of))
      .to.match(/^(Deployment|Rollout) /)
      .length(1);
  });

  it("two releases in one namespace do not select each other's pods", async () => {
    const [one, other] = await Promise.all(
      ['one', 'other'].map(async (release) => await render({ files: everyKeyFiles, release })),
    );
    for (const [of, labels] of selectorsOf(one ?? []))
      for (const pod of podsOf(other ?? [])) expect(selects(labels, pod), `${of} selects ${pod.of}`).to.equal(false);
    const names = (objects: readonly RenderedObject[] = []): readonly string[] =>
      objects.filter(({ kind }) => kind !== 'Namespace').map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(names(one)).not.to.include.members(names(other));
    expect(names(one).filter((name) => names(other).includes(name))).to.deep.equal([]);
  });

  it('releases of one name in two namespaces share no object of the cluster', async () => {
    const [one, other] = await Promise.all(
      ['one', 'other'].map(async (namespace) => await render({ files: everyKeyFiles, namespace })),
    );
    const ofCluster = (objects: readonly RenderedObject[] = []): readonly string[] =>
      objects
        .filter(
          ({ kind, metadata }) =>
            metadata.namespace === undefined && kind !== 'Namespace' && !metadata.name.endsWith('-extra'),
        )
        .map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(ofCluster(one)).not.to.deep.equal([]);
    expect(ofCluster(one).filter((name) => ofCluster(other).includes(name))).to.deep.equal([]);
  });

  it('selectors stay when names, labels and the version change', async () => {
    const selectors = async (values: Record<string, unknown>): Promise<unknown> => {
      const objects = await render({ profile: 'minimal', values });
      return [oneOfKind(objects, 'Deployment').spec?.selector, oneOfKind(objects, 'Service').spec?.selector];
    };
    const before = await selectors({});
    expect(await selectors({ commonLabels: { a: 'b' }, podLabels: { c: 'd' }, image: { tag: '9.9.9' } })).to.deep.equal(
      before,
    );
    expect(await selectors({ fullnameOverride: 'another' })).to.deep.equal(before);
  });

  it('names fit into those of Kubernetes, however long that of the release is', async () => {
    const objects = await render({ files: everyKeyFiles, release: 'a'.repeat(53) });
    for (const { kind, metadata } of objects)
      expect(metadata.name.length, `${kind} ${metadata.name}`).to.be.at.most(kind.startsWith('Cluster') ? 253 : 63);
    for (const pod of podsOf(objects))
      for (const [key, value] of Object.entries(pod.labels))
        expect(value.length, `${pod.of}: ${key}`).to.be.at.most(63);
  });
});

/** Returns the labels by which objects of the release select the chart's pods. */
function selectorsOf(objects: readonly RenderedObject[]): readonly (readonly [of: string, labels: Labels])[] {
  const matchLabels = [
    ...(['Deployment', 'Rollout'] as const).flatMap((kind) => ofKind(objects, kind)),
    ...ofKind(objects, 'DaemonSet'),
    ...ofKind(objects, 'PodDisruptionBudget'),
  ].map((object) => [name(object), object.spec?.selector?.matchLabels ?? {}] as const);
  const policies = ofKind(objects, 'NetworkPolicy')
    .map((policy) => [name(policy), policy.spec.podSelector.matchLabels ?? {}] as const)
    // Those of steps select the pods of hosts.
    .filter(([, labels]) => labels['app.kubernetes.io/managed-by'] !== 'kubernetes-worker');
  const services = ofKind(objects, 'Service').map((service) => [name(service), service.spec?.selector ?? {}] as const);
  return [...matchLabels, ...policies, ...services];
}

function name({ kind, metadata }: RenderedObject): string {
  return `${kind} ${metadata.name}`;
}

function selects(labels: Labels, pod: ChartPod): boolean {
  return Object.entries(labels).every(([key, value]) => pod.labels[key] === value);
}
