import { expect } from 'chai';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { checkLabelPrefix, checkPodOptions } from '../../../src/kubernetes/pod-spec/pod-option-check.ts';
import { mergePodOptions } from '../../../src/kubernetes/pod-spec/pod-option-merge.ts';
import { buildPod, type PodPlan } from '../../../src/kubernetes/pod-spec/pod-spec.ts';
import type { PodOptions } from '../../../src/runtime/pod-options.ts';

const plan: PodPlan = {
  podName: 'p',
  labels: { 'kubernetes-worker/handle': 'h' },
  annotations: {},
  image: 'busybox',
  volumes: [],
  agentConfigMapName: 'agent-x',
  architecture: 'amd64',
  limits: {},
  sidecars: [],
  privileged: false,
  options: {},
};

const podWith = (options: PodOptions, change: Partial<PodPlan> = {}): Pod => buildPod({ ...plan, ...change, options });

describe('the options of a pod', () => {
  const affinity: PodOptions['affinity'] = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'pool', operator: 'In', values: ['ci'] }] }],
      },
    },
    podAntiAffinity: undefined,
  };

  it('place it by affinity and spread constraints', () => {
    const topologySpreadConstraints: PodOptions['topologySpreadConstraints'] = [
      { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', minDomains: undefined },
    ];
    const { spec } = podWith({ affinity, topologySpreadConstraints });
    expect(spec!.affinity).to.deep.equal({ nodeAffinity: affinity?.nodeAffinity });
    expect(spec!.topologySpreadConstraints).to.deep.equal([
      { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' },
    ]);
  });

  it('add labels and annotations, and never replace those of the library', () => {
    const { metadata } = podWith({
      labels: { team: 'a', 'kubernetes-worker/handle': 'other' },
      annotations: { note: 'x' },
    });
    expect(metadata!.labels).to.deep.equal({ team: 'a', 'kubernetes-worker/handle': 'h' });
    expect(metadata!.annotations).to.deep.equal({ note: 'x' });
  });

  it('set the restart policy, under which the agent is always started again', () => {
    expect(podWith({}).spec!.restartPolicy).to.equal('Always');
    expect(podWith({ restartPolicy: 'OnFailure' }).spec!.restartPolicy).to.equal('OnFailure');
  });

  it('add the owners of the pod in the cluster', () => {
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'host', uid: 'u-1', controller: undefined };
    expect(
      podWith({ ownerReferences: [{ ...owner, blockOwnerDeletion: true }] }).metadata!.ownerReferences,
    ).to.deep.equal([{ apiVersion: 'v1', kind: 'Pod', name: 'host', uid: 'u-1', blockOwnerDeletion: true }]);
    expect(podWith({ ownerReferences: [] }).metadata).to.not.have.property('ownerReferences');
  });

  it('have owners with all parts, each once, of which one at most is the controller', () => {
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'host', uid: 'u-1' };
    const refused: readonly (readonly [string, PodOptions['ownerReferences']])[] = [
      ['[0].apiVersion', [{ ...owner, apiVersion: '' }]],
      ['[0].kind', [{ ...owner, kind: '' }]],
      ['[0].name', [{ ...owner, name: '' }]],
      ['[1].uid', [owner, { ...owner, uid: '' }]],
      ['[1].uid', [owner, owner]],
      [
        '[1].controller',
        [
          { ...owner, controller: true },
          { ...owner, uid: 'u-2', controller: true },
        ],
      ],
    ];
    for (const [field, ownerReferences] of refused)
      expect(() => checkPodOptions('pod', { ownerReferences }), field)
        .to.throw(InvalidSpecError)
        .with.property('field', `pod.ownerReferences${field}`);
    const owners = [
      { ...owner, controller: true },
      { ...owner, uid: 'u-2' },
    ];
    checkPodOptions('pod', { ownerReferences: owners });
  });

  it('add capabilities to main only', () => {
    const options = { addCapabilities: ['SYS_PTRACE'], dropCapabilities: ['NET_RAW'] };
    const [main, sidecar] = podWith(options, { sidecars: [{ name: 's', image: 'x' }] }).spec!.containers;
    expect(main!.securityContext!.capabilities).to.deep.equal({ add: ['SYS_PTRACE'], drop: ['NET_RAW'] });
    expect(sidecar!.securityContext!.capabilities).to.deep.equal({ drop: ['NET_RAW'] });
  });

  it('set user namespaces and the SELinux context', () => {
    const { spec } = podWith({ hostUsers: false, seLinuxOptions: { level: 's0:c1', role: undefined } });
    expect(spec!.hostUsers).to.equal(false);
    expect(spec!.securityContext!.seLinuxOptions).to.deep.equal({ level: 's0:c1' });
  });

  it('limit the annotations to what the API server accepts', () => {
    expect(() => podWith({ annotations: { a: 'x'.repeat(300_000) } })).to.throw(
      InvalidSpecError,
      /^pod\.annotations: have \d+ bytes/,
    );
  });
});

describe('mergePodOptions', () => {
  const worker: PodOptions = {
    serviceAccountName: 'sa',
    runAsUser: 1,
    imagePullSecrets: ['a'],
    nodeSelector: { pool: 'ci', disk: 'ssd' },
    labels: { team: 'a' },
    annotations: { note: 'a' },
    affinity: { podAffinity: {} },
    overlay: {
      metadata: { labels: { one: '1' } },
      spec: {
        schedulerName: 'first',
        volumes: [
          { name: 'a', emptyDir: {} },
          { name: 'b', emptyDir: {} },
        ],
        containers: [{ name: 'main', volumeMounts: [{ name: 'a', mountPath: '/a' }] }],
      },
    },
  };

  it('returns the options of the worker for a container without options', () => {
    expect(mergePodOptions(worker, undefined)).to.equal(worker);
    expect(mergePodOptions(worker, {})).to.deep.equal(worker);
  });

  it('replaces scalars, lists and the affinity, and merges maps by key', () => {
    const own: PodOptions = {
      serviceAccountName: undefined,
      runAsUser: 2,
      imagePullSecrets: ['b'],
      nodeSelector: { pool: 'gpu' },
      labels: { step: 's' },
      annotations: { note: 'b' },
      affinity: { nodeAffinity: {} },
    };
    expect(mergePodOptions(worker, own)).to.deep.equal({
      serviceAccountName: 'sa',
      runAsUser: 2,
      imagePullSecrets: ['b'],
      nodeSelector: { pool: 'gpu', disk: 'ssd' },
      labels: { team: 'a', step: 's' },
      annotations: { note: 'b' },
      affinity: { nodeAffinity: {} },
      overlay: worker.overlay,
    });
  });

  it('merges overlays by the keys of their entries', () => {
    const { overlay } = mergePodOptions(worker, {
      overlay: {
        metadata: { labels: { two: '2' } },
        spec: {
          schedulerName: 'second',
          volumes: [{ name: 'b', persistentVolumeClaim: { claimName: 'c' } }],
          containers: [
            {
              name: 'main',
              volumeMounts: [{ name: 'b', mountPath: '/b' }],
              resources: { requests: { cpu: '1' } },
            },
          ],
        },
      },
    });
    expect(overlay?.metadata?.labels).to.deep.equal({ one: '1', two: '2' });
    expect(overlay?.spec).to.deep.include({
      schedulerName: 'second',
      volumes: [
        { name: 'a', emptyDir: {} },
        { name: 'b', persistentVolumeClaim: { claimName: 'c' } },
      ],
      containers: [
        {
          name: 'main',
          volumeMounts: [
            { name: 'a', mountPath: '/a' },
            { name: 'b', mountPath: '/b' },
          ],
          resources: { requests: { cpu: '1' } },
        },
      ],
    });
  });
});

describe('checkPodOptions', () => {
  const valid: PodOptions = {
    labels: { team: 'a', 'example.com/team': '', 'kubernetes-worker.example/x': 'x'.repeat(63) },
    annotations: { note: 'any text, of any length'.repeat(10) },
    addCapabilities: ['SYS_PTRACE'],
  };
  const wrong: readonly (readonly [field: string, options: PodOptions])[] = [
    ['pod.labels.team', { labels: { team: 'x'.repeat(64) } }],
    ['pod.labels.team', { labels: { team: 'a team' } }],
    ['pod.labels.a b', { labels: { 'a b': 'x' } }],
    ['pod.labels./x', { labels: { '/x': 'x' } }],
    ['pod.labels.kubernetes-worker/handle', { labels: { 'kubernetes-worker/handle': 'x' } }],
    ['pod.labels.app.kubernetes.io/managed-by', { labels: { 'app.kubernetes.io/managed-by': 'x' } }],
    ['pod.annotations.kubernetes-worker/x', { annotations: { 'kubernetes-worker/x': 'x' } }],
    ['pod.overlay.metadata.labels.team', { overlay: { metadata: { labels: { team: 'x'.repeat(64) } } } }],
    [
      'pod.overlay.metadata.annotations.kubernetes-worker/x',
      { overlay: { metadata: { annotations: { 'kubernetes-worker/x': 'x' } } } },
    ],
    ['pod.addCapabilities[0]', { addCapabilities: ['CAP_SYS_ADMIN'] }],
    ['pod.dropCapabilities[1]', { dropCapabilities: ['ALL', 'net_raw'] }],
    ['pod.addCapabilities', { security: 'restricted', addCapabilities: ['NET_RAW'] }],
    ['pod.seccompProfile', { security: 'restricted', seccompProfile: 'Unconfined' }],
  ];

  it('accepts valid options', () => {
    checkPodOptions('pod', valid);
    checkPodOptions('pod', undefined);
  });

  for (const [field, options] of wrong)
    it(`refuses ${JSON.stringify(options).slice(0, 80)}, and names ${field}`, () => {
      expect(() => {
        checkPodOptions('pod', options);
      })
        .to.throw(InvalidSpecError)
        .with.property('field', field);
    });
});

describe('checkLabelPrefix', () => {
  it('accepts a DNS subdomain, and none', () => {
    for (const prefix of [undefined, 'kubernetes-worker', 'ci.example', 'a', 'my-k8s.io'])
      expect(() => checkLabelPrefix('labelPrefix', prefix)).to.not.throw();
  });

  for (const prefix of [
    '',
    'CI',
    'ci/',
    'a..b',
    '-a',
    'x'.repeat(254),
    'kubernetes.io',
    'node.kubernetes.io',
    'k8s.io',
  ])
    it(`rejects ${JSON.stringify(prefix.slice(0, 20))} by its field`, () => {
      expect(() => checkLabelPrefix('labelPrefix', prefix))
        .to.throw()
        .that.includes({ code: 'KW_ERR_INVALID_SPEC', field: 'labelPrefix' });
    });
});
