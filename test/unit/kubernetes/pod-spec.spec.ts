import { expect } from 'chai';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { agentConnectCommand, buildPod, type PodPlan } from '../../../src/kubernetes/pod-spec/pod-spec.ts';

const plain: PodPlan = {
  podName: 'p',
  labels: { a: 'b' },
  annotations: { c: 'd' },
  image: 'busybox',
  volumes: [],
  agentConfigMapName: 'agent-x',
  architecture: 'amd64',
  limits: {},
  sidecars: [],
  privileged: false,
  options: {},
};

function main(pod: Pod): NonNullable<Pod['spec']>['containers'][number] {
  return pod.spec!.containers[0]!;
}

function bytesOf(pod: Pod): number {
  return Buffer.byteLength(JSON.stringify(pod));
}

describe('buildPod', () => {
  it('runs the agent in main, with its state in an emptyDir and its program from a config map [A3] [A6]', () => {
    const pod = buildPod(plain);
    expect(pod.metadata).to.deep.equal({ name: 'p', labels: { a: 'b' }, annotations: { c: 'd' } });
    expect(pod.spec).to.include({
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 10,
      enableServiceLinks: false,
      automountServiceAccountToken: false,
    });
    expect(pod.spec!.nodeSelector).to.deep.equal({ 'kubernetes.io/arch': 'amd64', 'kubernetes.io/os': 'linux' });
    expect(pod.spec!.volumes).to.deep.equal([
      { name: 'kw-state', emptyDir: {} },
      { name: 'kw-agent', configMap: { name: 'agent-x', defaultMode: 0o555 } },
    ]);
    expect(main(pod)).to.deep.equal({
      name: 'main',
      image: 'busybox',
      imagePullPolicy: 'IfNotPresent',
      command: ['/.kw-agent/agent', 'serve', '/.kw'],
      resources: {},
      securityContext: { allowPrivilegeEscalation: false },
      volumeMounts: [
        { name: 'kw-state', mountPath: '/.kw' },
        { name: 'kw-agent', mountPath: '/.kw-agent', readOnly: true },
      ],
    });
    expect(agentConnectCommand).to.deep.equal(['/.kw-agent/agent', 'connect', '/.kw']);
  });

  it('mounts the claim of a store pod in the state of the agent, and changes the group of its files once', () => {
    const pod = buildPod({ ...plain, storeClaim: 'data', options: { fsGroup: 65_532 } });
    expect(pod.spec!.volumes).to.deep.include({ name: 'kw-archives', persistentVolumeClaim: { claimName: 'data' } });
    expect(main(pod).volumeMounts).to.deep.equal([
      { name: 'kw-state', mountPath: '/.kw' },
      { name: 'kw-agent', mountPath: '/.kw-agent', readOnly: true },
      { name: 'kw-archives', mountPath: '/.kw/archives' },
    ]);
    expect(pod.spec!.securityContext).to.include({ fsGroup: 65_532, fsGroupChangePolicy: 'OnRootMismatch' });
    expect(buildPod({ ...plain, options: { fsGroup: 1 } }).spec!.securityContext).not.to.have.property(
      'fsGroupChangePolicy',
    );
  });

  it('returns the same pod for the same plan, and shares no object with it', () => {
    const pod = buildPod(plain);
    pod.metadata!.labels!['a'] = 'changed';
    expect(buildPod(plain)).to.deep.equal(buildPod(plain));
    expect(plain.labels).to.deep.equal({ a: 'b' });
  });

  for (const [pullPolicy, ofTag, ofDigest] of [
    [undefined, 'IfNotPresent', 'IfNotPresent'],
    ['IfNotPresent', 'IfNotPresent', 'IfNotPresent'],
    ['Always', 'Always', 'IfNotPresent'],
    ['Never', 'Never', 'Never'],
  ] as const) {
    it(`pulls a tag ${ofTag} and a digest ${ofDigest} with the pull policy ${String(pullPolicy)} [A3]`, () => {
      const sidecars = [{ name: 'db', image: `db@sha256:${'0'.repeat(64)}` }];
      const pod = buildPod({ ...plain, sidecars, pullPolicy });
      expect(pod.spec!.containers.map(({ imagePullPolicy }) => imagePullPolicy)).to.deep.equal([ofTag, ofDigest]);
    });
  }

  it('mounts volumes by subPath, outer ones before nested ones [A3]', () => {
    const volumes = [
      { agentVolume: 'v3', mountPath: '/work/in/deep' },
      { agentVolume: 'v1', mountPath: '/work' },
      { agentVolume: 'v2', mountPath: '/work/in' },
    ];
    expect(main(buildPod({ ...plain, volumes })).volumeMounts!.slice(2)).to.deep.equal([
      { name: 'kw-state', mountPath: '/work', subPath: 'volumes/v1/data' },
      { name: 'kw-state', mountPath: '/work/in', subPath: 'volumes/v2/data' },
      { name: 'kw-state', mountPath: '/work/in/deep', subPath: 'volumes/v3/data' },
    ]);
  });

  it('gives sidecars the literal last value of each variable, and ignores invalid entries [A7] [A10]', () => {
    const env = ['A=1', 'B=x=y', 'A=2', 'EMPTY=', 'NOEQ', '=x', 'REF=$(A) $$ $'];
    const pod = buildPod({ ...plain, sidecars: [{ name: 'db', image: 'x', env }] });
    expect(pod.spec!.containers[1]!.env).to.deep.equal([
      { name: 'A', value: '2' },
      { name: 'B', value: 'x=y' },
      { name: 'EMPTY', value: '' },
      { name: 'REF', value: '$$(A) $$$$ $$' },
    ]);
  });

  it('throws for a pod larger than the API server accepts, and names the largest part', () => {
    const env = Array.from({ length: 10 }, (_, index) => `V${String(index)}=${'x'.repeat(120_000)}`);
    const sidecars = [
      { name: 'small', image: 'x' },
      { name: 'large', image: 'x', env },
    ];
    expect(() => buildPod({ ...plain, sidecars })).to.throw(
      InvalidSpecError,
      /^sidecars\[1\]\.env: .*more than 1048576$/,
    );
    const volumes = Array.from({ length: 3_000 }, (_, index) => ({
      agentVolume: `v${String(index)}`,
      mountPath: `/${'p'.repeat(400)}/${String(index)}`,
    }));
    expect(() => buildPod({ ...plain, volumes })).to.throw(InvalidSpecError, /^spec: /);
    expect(bytesOf(buildPod({ ...plain, sidecars: [{ name: 'fits', image: 'x', env: env.slice(0, 8) }] }))).to.be.above(
      900_000,
    );
  });

  it('requests each limit that has no request of its own', () => {
    const limits = { cpuMilli: 1500, memoryBytes: 1_073_741_824 };
    expect(main(buildPod({ ...plain, limits })).resources).to.deep.equal({
      limits: { cpu: '1500m', memory: '1073741824' },
      requests: { cpu: '1500m', memory: '1073741824' },
    });
    expect(
      main(buildPod({ ...plain, limits: { memoryBytes: 5 }, requests: { cpuMilli: 10 } })).resources,
    ).to.deep.equal({
      limits: { memory: '5' },
      requests: { cpu: '10m', memory: '5' },
    });
    expect(main(buildPod({ ...plain, requests: { cpuMilli: 10 } })).resources).to.deep.equal({
      requests: { cpu: '10m' },
    });
  });

  it('limits and reserves ephemeral storage, and limits the size of the volumes', () => {
    const limits = { ephemeralStorageBytes: 20 };
    const pod = buildPod({ ...plain, limits, requests: { ephemeralStorageBytes: 10 }, volumesLimitBytes: 30 });
    expect(main(pod).resources).to.deep.equal({
      limits: { 'ephemeral-storage': '20' },
      requests: { 'ephemeral-storage': '10' },
    });
    expect(pod.spec!.volumes![0]).to.deep.equal({ name: 'kw-state', emptyDir: { sizeLimit: '30' } });
  });

  it('refers to secrets in the environment of main, and contains no value [A12]', () => {
    const secretEnv = {
      TOKEN: { secretName: 's', key: 'k' },
      EXTRA: { secretName: 's', key: 'k2', optional: true },
    };
    const pod = buildPod({ ...plain, secretEnv, sidecars: [{ name: 'db', image: 'x', env: ['A=1'] }] });
    expect(main(pod).env).to.deep.equal([
      { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
      { name: 'EXTRA', valueFrom: { secretKeyRef: { name: 's', key: 'k2', optional: true } } },
    ]);
    expect(pod.spec!.containers[1]!.env).to.deep.equal([{ name: 'A', value: '1' }]);
  });

  it('mounts secrets in main only, read-only and sorted among the volumes', () => {
    const pod = buildPod({
      ...plain,
      volumes: [{ agentVolume: 'v', mountPath: '/work' }],
      secretMounts: [
        { secretName: 'a', mountPath: '/work/key', mode: 0o400, optional: undefined },
        { secretName: 'b', mountPath: '/cert', mode: 0o444, optional: true },
      ],
      sidecars: [{ name: 'db', image: 'x' }],
    });
    expect(pod.spec!.volumes!.slice(2)).to.deep.equal([
      { name: 'kw-secret-0', secret: { secretName: 'a', defaultMode: 0o400 } },
      { name: 'kw-secret-1', secret: { secretName: 'b', defaultMode: 0o444, optional: true } },
    ]);
    const work = { name: 'kw-state', mountPath: '/work', subPath: 'volumes/v/data' };
    expect(main(pod).volumeMounts!.slice(2)).to.deep.equal([
      { name: 'kw-secret-1', mountPath: '/cert', readOnly: true },
      work,
      { name: 'kw-secret-0', mountPath: '/work/key', readOnly: true },
    ]);
    expect(pod.spec!.containers[1]!.volumeMounts).to.deep.equal([work]);
  });

  it('gives a sidecar ports, a probe, secrets, requests and read-only volumes [A10]', () => {
    const sidecar = {
      name: 'db',
      image: 'x',
      env: ['A=1'],
      secretEnv: { PASSWORD: { secretName: 's', key: 'k' } },
      limits: { memoryBytes: 7 },
      requests: { memoryBytes: 5 },
      ports: [
        { name: 'sql', containerPort: 5432 },
        { containerPort: 53, protocol: 'UDP' },
      ],
      readOnlyVolumes: true,
      readinessProbe: { tcpSocket: { port: 'sql' }, periodSeconds: 2, exec: undefined },
    } as const;
    const pod = buildPod({ ...plain, volumes: [{ agentVolume: 'v', mountPath: '/w' }], sidecars: [sidecar] });
    expect(pod.spec!.containers[1]).to.deep.include({
      env: [
        { name: 'A', value: '1' },
        { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
      ],
      resources: { limits: { memory: '7' }, requests: { memory: '5' } },
      ports: [
        { name: 'sql', containerPort: 5432, protocol: 'TCP' },
        { containerPort: 53, protocol: 'UDP' },
      ],
      readinessProbe: { tcpSocket: { port: 'sql' }, periodSeconds: 2 },
      volumeMounts: [{ name: 'kw-state', mountPath: '/w', subPath: 'volumes/v/data', readOnly: true }],
    });
  });

  it('makes only main privileged [A6]', () => {
    const sidecars = [{ name: 'db', image: 'postgres:17' }];
    const pod = buildPod({ ...plain, privileged: true, sidecars });
    expect(main(pod).securityContext).to.deep.equal({ privileged: true });
    expect(pod.spec!.containers[1]!.securityContext).to.deep.equal({ allowPrivilegeEscalation: false });
  });

  context('for a hermetic container', () => {
    const sidecars = [{ name: 'db', image: 'postgres:17' }];
    const capabilitiesOf = (options: PodPlan['options']): unknown => {
      const { containers } = buildPod({ ...plain, hermetic: true, sidecars, options }).spec!;
      const [own, beside] = containers.map(({ securityContext }) => securityContext?.capabilities);
      expect(beside).to.deep.equal(own);
      return own;
    };

    it('mounts no token of a service account, whatever the options are', () => {
      const options = { automountServiceAccountToken: true };
      expect(buildPod({ ...plain, options }).spec).to.include({ automountServiceAccountToken: true });
      expect(buildPod({ ...plain, options, hermetic: true }).spec).to.include({ automountServiceAccountToken: false });
    });

    it('leaves the capabilities of the agent to main and to sidecars', () => {
      expect(capabilitiesOf({})).to.deep.equal({
        drop: ['ALL'],
        add: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'SETGID', 'SETUID'],
      });
    });

    it('leaves none of those that the options drop', () => {
      expect(capabilitiesOf({ dropCapabilities: ['NET_RAW', 'KILL', 'CHOWN', 'FOWNER'] })).to.deep.equal({
        drop: ['ALL'],
        add: ['DAC_OVERRIDE', 'SETGID', 'SETUID'],
      });
      for (const options of [{ dropCapabilities: ['ALL'] }, { security: 'restricted' }] as const)
        expect(capabilitiesOf(options)).to.deep.equal({ drop: ['ALL'] });
    });

    it('throws for further capabilities', () => {
      expect(() => buildPod({ ...plain, hermetic: true, options: { addCapabilities: ['SYS_PTRACE'] } }))
        .to.throw(InvalidSpecError)
        .with.property('field', 'hermetic');
    });
  });

  it('gives sidecars the volumes but not the agent [A10]', () => {
    const sidecars = [
      {
        name: 'db',
        image: 'postgres:17',
        command: ['run', '$(X)'],
        args: ['-v'],
        env: ['A=1', 'A=2'],
        dir: '/srv',
        limits: { memoryBytes: 7 },
      },
      { name: 'plain', image: 'x' },
    ];
    const { containers } = buildPod({ ...plain, volumes: [{ agentVolume: 'v', mountPath: '/w' }], sidecars }).spec!;
    expect(containers.map(({ name }) => name)).to.deep.equal(['main', 'db', 'plain']);
    expect(containers[1]).to.deep.equal({
      name: 'db',
      image: 'postgres:17',
      imagePullPolicy: 'IfNotPresent',
      command: ['run', '$$(X)'],
      args: ['-v'],
      workingDir: '/srv',
      env: [{ name: 'A', value: '2' }],
      resources: { limits: { memory: '7' }, requests: { memory: '7' } },
      securityContext: { allowPrivilegeEscalation: false },
      volumeMounts: [{ name: 'kw-state', mountPath: '/w', subPath: 'volumes/v/data' }],
    });
    expect(containers[2]).to.not.have.any.keys('command', 'args', 'workingDir');
  });

  it("applies the worker's options for placement and accounts [A8]", () => {
    const options = {
      serviceAccountName: 'sa',
      automountServiceAccountToken: true,
      imagePullSecrets: ['a', 'b', 'a'],
      nodeSelector: { pool: 'ci', 'kubernetes.io/arch': 'other' },
      tolerations: [{ key: 'ci', operator: 'Exists', effect: undefined }],
      priorityClassName: 'low',
      runtimeClassName: 'gvisor',
    } as const;
    const { spec } = buildPod({ ...plain, architecture: 'arm64', options });
    expect(spec).to.include({
      serviceAccountName: 'sa',
      automountServiceAccountToken: true,
      priorityClassName: 'low',
      runtimeClassName: 'gvisor',
    });
    expect(spec!.imagePullSecrets).to.deep.equal([{ name: 'a' }, { name: 'b' }]);
    expect(spec!.nodeSelector).to.deep.equal({
      pool: 'ci',
      'kubernetes.io/arch': 'arm64',
      'kubernetes.io/os': 'linux',
    });
    expect(spec!.tolerations).to.deep.equal([{ key: 'ci', operator: 'Exists' }]);
  });

  it('omits options that are not configured [A8]', () => {
    const { spec } = buildPod(plain);
    expect(spec).to.not.have.any.keys(
      'serviceAccountName',
      'imagePullSecrets',
      'tolerations',
      'priorityClassName',
      'runtimeClassName',
    );
    expect(spec!.securityContext).to.deep.equal({ seccompProfile: { type: 'RuntimeDefault' } });
  });

  it("applies the worker's options for users and security", () => {
    const options = {
      runAsUser: 1000,
      runAsGroup: 1000,
      fsGroup: 2000,
      supplementalGroups: [3000],
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      dropCapabilities: ['NET_RAW'],
      seccompProfile: 'Unconfined',
    } as const;
    const pod = buildPod({ ...plain, options });
    expect(pod.spec!.securityContext).to.deep.equal({
      seccompProfile: { type: 'Unconfined' },
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      fsGroup: 2000,
      supplementalGroups: [3000],
    });
    expect(main(pod).securityContext).to.deep.equal({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['NET_RAW'] },
    });
  });

  describe('with restricted security', () => {
    it('drops root and capabilities, also in sidecars', () => {
      const pod = buildPod({ ...plain, sidecars: [{ name: 's', image: 'x' }], options: { security: 'restricted' } });
      expect(pod.spec!.securityContext).to.deep.equal({
        seccompProfile: { type: 'RuntimeDefault' },
        runAsNonRoot: true,
      });
      for (const { securityContext } of pod.spec!.containers)
        expect(securityContext).to.deep.equal({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } });
    });

    for (const [field, change] of [
      ['privileged', { privileged: true }],
      ['seccompProfile', { options: { seccompProfile: 'Unconfined' } }],
      ['runAsUser', { options: { runAsUser: 0 } }],
      ['runAsNonRoot', { options: { runAsNonRoot: false } }],
      ['dropCapabilities', { options: { dropCapabilities: ['NET_RAW'] } }],
      ['addCapabilities', { options: { addCapabilities: ['NET_RAW'] } }],
    ] as const) {
      it(`throws for a contradicting ${field}`, () => {
        const options = { ...('options' in change ? change.options : {}), security: 'restricted' } as const;
        expect(() => buildPod({ ...plain, ...change, options }))
          .to.throw(InvalidSpecError)
          .with.property('field', field === 'privileged' ? field : `pod.${field}`);
      });
    }
  });
});
