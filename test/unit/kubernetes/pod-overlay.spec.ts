import { expect } from 'chai';
import fc from 'fast-check';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { checkPodOptions } from '../../../src/kubernetes/pod-spec/pod-option-check.ts';
import { overlayPod } from '../../../src/kubernetes/pod-spec/pod-overlay.ts';
import { buildPod } from '../../../src/kubernetes/pod-spec/pod-spec.ts';
import type { PodOverlay, PodOverlayMount, PodOverlaySpec } from '../../../src/runtime/pod-overlay.ts';
import { podOverlay } from '../../../src/validation/pod-overlay-shapes.ts';
import { checkShape } from '../../../src/validation/shape.ts';

const pod: Pod = buildPod({
  podName: 'p',
  labels: { 'kubernetes-worker/handle': 'h' },
  annotations: { 'kubernetes-worker/step': 's' },
  image: 'busybox',
  volumes: [{ agentVolume: 'v', mountPath: '/work/in' }],
  agentConfigMapName: 'agent-x',
  architecture: 'amd64',
  limits: { memoryBytes: 2 ** 30 },
  secretEnv: { TOKEN: { secretName: 's', key: 'k' } },
  secretMounts: [{ secretName: 's', mountPath: '/secret', mode: 0o400, optional: undefined }],
  sidecars: [{ name: 'db', image: 'x' }],
  privileged: false,
  options: {},
});

/** Does what a call with an overlay from plain JavaScript does. */
function overlaid(overlay: unknown): Pod {
  checkShape('overlay', podOverlay, overlay);
  const checked = overlay as PodOverlay;
  checkPodOptions('pod', { overlay: checked });
  return overlayPod(pod, checked);
}

const withSpec = (spec: PodOverlaySpec): Pod => overlaid({ spec });
const mount = (mountPath: string, more: Partial<PodOverlayMount> = {}): PodOverlaySpec => ({
  volumes: [{ name: 'extra', emptyDir: {} }],
  containers: [{ name: 'main', volumeMounts: [{ name: 'extra', mountPath, ...more }] }],
});

describe('overlayPod', () => {
  it('replaces labels of options, but none of the library, also without a check of its values', () => {
    const labels = { team: 'b', 'kubernetes-worker/handle': 'x', 'app.kubernetes.io/managed-by': 'x' };
    const labelled = { ...pod, metadata: { labels: { ...pod.metadata!.labels, team: 'a' } } };
    expect(overlayPod(labelled, { metadata: { labels } }).metadata!.labels).to.deep.equal({
      'kubernetes-worker/handle': 'h',
      team: 'b',
    });
  });

  it('adds labels, volumes, mounts, requests, hosts, DNS and a scheduler', () => {
    const { metadata, spec } = overlaid({
      metadata: { labels: { team: 'a' }, annotations: { note: 'b' } },
      spec: {
        containers: [
          {
            name: 'main',
            volumeMounts: [{ name: 'cache', mountPath: '/cache', subPath: 'a/b', readOnly: true }],
            resources: { requests: { cpu: '250m', memory: '512Mi' } },
          },
        ],
        volumes: [{ name: 'cache', persistentVolumeClaim: { claimName: 'c' } }],
        hostAliases: [{ ip: '10.0.0.1', hostnames: ['db'] }],
        dnsPolicy: 'None',
        dnsConfig: { nameservers: ['10.0.0.2'] },
        schedulerName: 'custom',
      },
    });
    expect(metadata).to.deep.include({
      name: 'p',
      labels: { team: 'a', 'kubernetes-worker/handle': 'h' },
      annotations: { note: 'b', 'kubernetes-worker/step': 's' },
    });
    const [main, sidecar] = spec!.containers;
    expect(main!.volumeMounts!.at(-1)).to.deep.equal({
      name: 'cache',
      mountPath: '/cache',
      subPath: 'a/b',
      readOnly: true,
    });
    expect(main!.resources).to.deep.equal({
      limits: { memory: '1073741824' },
      requests: { cpu: '250m', memory: '512Mi' },
    });
    expect(sidecar).to.deep.equal(pod.spec!.containers[1]);
    expect(spec!.volumes!.at(-1)).to.deep.equal({ name: 'cache', persistentVolumeClaim: { claimName: 'c' } });
    expect(spec).to.deep.include({
      hostAliases: [{ ip: '10.0.0.1', hostnames: ['db'] }],
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['10.0.0.2'] },
      schedulerName: 'custom',
    });
  });

  it('adds the content of an image, and mounts a part of it', () => {
    const { spec } = withSpec({
      volumes: [{ name: 'tools', image: { reference: 'registry.example/tools:1', pullPolicy: 'IfNotPresent' } }],
      containers: [
        { name: 'main', volumeMounts: [{ name: 'tools', mountPath: '/tools', subPath: 'usr/bin', readOnly: true }] },
      ],
    });
    expect(spec!.volumes!.at(-1)).to.deep.equal({
      name: 'tools',
      image: { reference: 'registry.example/tools:1', pullPolicy: 'IfNotPresent' },
    });
    expect(spec!.containers[0]!.volumeMounts!.at(-1)).to.deep.equal({
      name: 'tools',
      mountPath: '/tools',
      subPath: 'usr/bin',
      readOnly: true,
    });
  });

  const main = 'pod.overlay.spec.containers[0]';
  const wrong: readonly (readonly [what: string, field: string, spec: PodOverlaySpec])[] = [
    ['a mount of the agent', `${main}.volumeMounts[0].mountPath`, mount('/.kw-agent')],
    ['the path of a volume', `${main}.volumeMounts[0].mountPath`, mount('/work/in')],
    ['the path of a secret', `${main}.volumeMounts[0].mountPath`, mount('/secret')],
    ['a path inside a secret', `${main}.volumeMounts[0].mountPath`, mount('/secret/x')],
    ['a path with a volume inside', `${main}.volumeMounts[0].mountPath`, mount('/work')],
    ['a path that is not normalized', `${main}.volumeMounts[0].mountPath`, mount('/work//in')],
    ['a relative path', `${main}.volumeMounts[0].mountPath`, mount('x')],
    ['a subPath that leaves the volume', `${main}.volumeMounts[0].subPath`, mount('/x', { subPath: 'a/../..' })],
    ["a mount of the library's volume", `${main}.volumeMounts[0].name`, mount('/x', { name: 'kw-state' })],
    [
      'a volume with a reserved name',
      'pod.overlay.spec.volumes[0].name',
      { volumes: [{ name: 'kw-x', emptyDir: {} }] },
    ],
    ['a volume without a source', 'pod.overlay.spec.volumes[0]', { volumes: [{ name: 'x' }] }],
    [
      'a volume with two sources',
      'pod.overlay.spec.volumes[0]',
      { volumes: [{ name: 'x', emptyDir: {}, configMap: { name: 'c' } }] },
    ],
    [
      'two volumes of one name',
      'pod.overlay.spec.volumes[1].name',
      {
        volumes: [
          { name: 'x', emptyDir: {} },
          { name: 'x', emptyDir: {} },
        ],
      },
    ],
    [
      'a request above the limit',
      `${main}.resources.requests.memory`,
      { containers: [{ name: 'main', resources: { requests: { memory: '1025Mi' } } }] },
    ],
    [
      'a request that is no quantity',
      `${main}.resources.requests.cpu`,
      { containers: [{ name: 'main', resources: { requests: { cpu: 'one' } } }] },
    ],
  ];
  for (const [what, field, spec] of wrong)
    it(`refuses ${what}, and names the field`, () => {
      expect(() => withSpec(spec))
        .to.throw(InvalidSpecError)
        .with.property('field', field);
    });

  for (const [field, overlay] of [
    ['spec.hostNetwork', { spec: { hostNetwork: true } }],
    ['spec.containers[0].name', { spec: { containers: [{ name: 'db' }] } }],
    ['spec.containers[0].command', { spec: { containers: [{ name: 'main', command: ['sh'] }] } }],
    ['spec.containers[0].args', { spec: { containers: [{ name: 'main', args: ['-c'] }] } }],
    ['spec.restartPolicy', { spec: { restartPolicy: 'OnFailure' } }],
    ['spec.containers[0].resources.limits', { spec: { containers: [{ name: 'main', resources: { limits: {} } }] } }],
    ['spec.volumes[0].hostPath', { spec: { volumes: [{ name: 'x', hostPath: { path: '/' } }] } }],
    ['metadata.name', { metadata: { name: 'other' } }],
  ] as const)
    it(`refuses the unknown field ${field} by its name`, () => {
      expect(() => overlaid(overlay)).to.throw(InvalidSpecError, `${field}: is not`);
    });

  it('keeps everything that the library relies on, or refuses the overlay', () => {
    let accepted = 0;
    fc.assert(
      fc.property(anyOverlay, (tried) => {
        let result: Pod;
        try {
          result = overlaid(tried);
        } catch (error) {
          expect(error).to.be.instanceOf(InvalidSpecError);
          return;
        }
        accepted++;
        expectLibraryParts(result);
      }),
      { numRuns: 400 },
    );
    expect(accepted).to.be.above(0);
  });
});

/** Overlays of which a part is acceptable, and another part would break the pod. */
const anyOverlay = (() => {
  const volumeName = fc.constantFrom('extra', 'extra', 'extra', 'other', 'kw-state');
  const path = fc.constantFrom(
    '/x',
    '/y',
    '/z',
    '/work/in/x',
    '/secret/x',
    '/.kw',
    '/.kw-agent',
    '/work',
    '/work/in',
    '/secret',
  );
  const labels = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('x', 'y'));
  const mounts = fc.uniqueArray(fc.record({ name: volumeName, mountPath: path }), { maxLength: 2 });
  const requests = fc.dictionary(fc.constantFrom('cpu', 'memory'), fc.constantFrom('1', '1Gi', '1Mi', '100m', '2Gi'));
  const main = { name: fc.constant('main'), volumeMounts: mounts, resources: fc.record({ requests }) };
  const extra = { name: 'extra', emptyDir: {} };
  const others = fc.uniqueArray(fc.constantFrom('other', 'other', 'other', 'kw-state'), { maxLength: 1 });
  const volumes = others.map((names) => [extra, ...names.map((name) => ({ name, emptyDir: {} }))]);
  const valid = fc.record(
    {
      metadata: fc.record({ labels, annotations: labels }, { requiredKeys: [] }),
      spec: fc.record(
        {
          containers: fc.tuple(fc.record(main, { requiredKeys: ['name', 'volumeMounts'] })),
          volumes,
          schedulerName: fc.string(),
        },
        { requiredKeys: ['volumes'] },
      ),
    },
    { requiredKeys: [] },
  );
  const unknown = fc.constantFrom(
    { metadata: { name: 'other' } },
    { metadata: { labels: { 'kubernetes-worker/handle': 'other' } } },
    { spec: { restartPolicy: 'Never' } },
    { spec: { containers: [{ name: 'main', image: 'other' }] } },
    { spec: { containers: [{ name: 'db' }] } },
  );
  return fc.oneof({ weight: 9, arbitrary: valid }, { weight: 1, arbitrary: unknown });
})();

function expectLibraryParts(result: Pod): void {
  expect(result.metadata!.name).to.equal('p');
  expect(result.metadata!.labels).to.include(pod.metadata!.labels);
  expect(result.metadata!.annotations).to.include(pod.metadata!.annotations);
  const { containers, volumes } = result.spec!;
  const { containers: ownContainers, volumes: ownVolumes, ...ownRest } = pod.spec!;
  expect(result.spec).to.deep.include(ownRest);
  const [{ volumeMounts, resources, ...main }, ...sidecars] = containers as [(typeof containers)[0]];
  const [{ volumeMounts: ownMounts, resources: ownResources, ...ownMain }, ...ownSidecars] = ownContainers as [
    (typeof containers)[0],
  ];
  expect(main).to.deep.equal(ownMain);
  expect(sidecars).to.deep.equal(ownSidecars);
  expect(resources!.limits).to.deep.equal(ownResources!.limits);
  expect(volumeMounts!.slice(0, ownMounts!.length)).to.deep.equal(ownMounts);
  expect(new Set(volumeMounts!.map(({ mountPath }) => mountPath)).size).to.equal(volumeMounts!.length);
  expect(volumes!.slice(0, ownVolumes!.length)).to.deep.equal(ownVolumes);
  expect(new Set(volumes!.map(({ name }) => name)).size).to.equal(volumes!.length);
}
