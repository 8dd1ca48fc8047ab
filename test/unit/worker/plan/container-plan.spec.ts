import { expect } from 'chai';

import { FakeArtifact } from '../../../../fakes/index.ts';
import { InvalidSpecError } from '../../../../src/errors/caller.ts';
import { cleanPath } from '../../../../src/kubernetes/pod-spec/pod-mount-path.ts';
import type { ContainerSpec } from '../../../../src/runtime/container.ts';
import type { SidecarSpec } from '../../../../src/runtime/sidecar.ts';
import { planContainer } from '../../../../src/worker/plan/container-plan.ts';

function fieldOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof InvalidSpecError) return error.field;
    throw error;
  }
  return undefined;
}

describe('planContainer', () => {
  const plan = (parts: Partial<ContainerSpec>) => planContainer({ image: 'busybox:1', ...parts });
  const mountsOf = (parts: Partial<ContainerSpec>) =>
    plan(parts).mounts.map(({ kind, mountPath, name }) => [kind, mountPath, name]);
  const artifact = new FakeArtifact();

  it('returns absolute, normalized paths, and resolves relative paths against the dir [A3]', () => {
    const parts = {
      dir: '/build//x/',
      inputs: [{ artifact, path: './in/' }],
      outputs: { out: 'sub/./out' },
      caches: ['/cache//c'],
    };
    expect(mountsOf(parts)).to.deep.equal([
      ['input', '/build/x/in', undefined],
      ['output', '/build/x/sub/out', 'out'],
      ['cache', '/cache/c', undefined],
      ['dir', '/build/x', undefined],
    ]);
  });

  it('uses the volume of an input for an output at the same path [A39]', () => {
    const { mounts } = plan({ dir: '/b', inputs: [{ artifact, path: 'same' }], outputs: { changed: 'same/' } });
    expect(mounts[0]).to.deep.equal({ kind: 'output', mountPath: '/b/same', name: 'changed', artifact });
    expect(mounts).to.have.length(2);
  });

  it('plans no separate volume for a dir that is an input, an output or a cache', () => {
    expect(mountsOf({ dir: '/b', outputs: { all: '/b' } })).to.deep.equal([['output', '/b', 'all']]);
  });

  it('has the exact name of the pod, which is a DNS label', () => {
    expect(plan({}).podName).to.equal(undefined);
    for (const podName of ['a', '0-9', 'n'.repeat(63)]) expect(plan({ podName }).podName).to.equal(podName);
    for (const podName of ['', 'A', '-a', 'a-', 'a.b', 'a_b', 'a\n', 'n'.repeat(64)])
      expect(
        fieldOf(() => plan({ podName })),
        JSON.stringify(podName),
      ).to.equal('podName');
  });

  it('plans no mounts for a specification without volumes [A39]', () => {
    expect(mountsOf({})).to.deep.equal([]);
  });

  it('rejects any other duplicate path, and names the second field [A3]', () => {
    expect(fieldOf(() => plan({ outputs: { a: '/o', b: '/o' } }))).to.equal('outputs.b');
    expect(fieldOf(() => plan({ caches: ['/c'], outputs: { c: '/c' } }))).to.equal('caches[0]');
    expect(fieldOf(() => plan({ inputs: [{ artifact, path: '/i' }], caches: ['/i'] }))).to.equal('caches[0]');
  });

  it('names the invalid field [A7] [A10] [A11]', () => {
    const wrong: Record<string, Partial<ContainerSpec>> = {
      image: { image: 'a b' },
      dir: { dir: '' },
      'env[1]': { env: ['A=1', 'B'] },
      user: { user: 'a b' },
      'limits.cpuMilli': { limits: { cpuMilli: 0.5 } },
      'sidecars[0].image': { sidecars: [{ name: 's', image: '' }] },
      'sidecars[1].image': {
        sidecars: [
          { name: 's', image: 'i' },
          { name: 't', image: 'registry.example/UPPER' },
        ],
      },
      'sidecars[1].name': {
        sidecars: [
          { name: 's', image: 'i' },
          { name: 's', image: 'i' },
        ],
      },
      platform: { platform: 'riscv64' as 'amd64' },
      'limits.ephemeralStorageBytes': { limits: { ephemeralStorageBytes: 0 } },
      'requests.cpuMilli': { requests: { cpuMilli: -1 } },
      'requests.memoryBytes': { limits: { memoryBytes: 5 }, requests: { memoryBytes: 6 } },
      volumesLimitBytes: { volumesLimitBytes: 0 },
      'taskCache.job': { taskCache: { job: '', step: 's' } },
      'taskCache.step': { taskCache: { job: 'j', step: 'x'.repeat(1_025) } },
      hermetic: { hermetic: true, privileged: true },
      'pod.labels.team': { pod: { labels: { team: 'x'.repeat(64) } } },
      'secretEnv.A': { env: ['A=1'], secretEnv: { A: { secretName: 's', key: 'k' } } },
      'secretEnv.1A': { secretEnv: { '1A': { secretName: 's', key: 'k' } } },
      'secretEnv.B.secretName': { secretEnv: { B: { secretName: 'S', key: 'k' } } },
      'secretEnv.B.key': { secretEnv: { B: { secretName: 's', key: 'a/b' } } },
    };
    for (const [field, parts] of Object.entries(wrong))
      expect(
        fieldOf(() => plan(parts)),
        field,
      ).to.equal(field);
  });
});

describe('planContainer with secrets', () => {
  const plan = (secretMounts: ContainerSpec['secretMounts'], parts: Partial<ContainerSpec> = {}) =>
    planContainer({ image: 'busybox:1', dir: '/b', secretMounts, ...parts }).pod.secretMounts;

  it('resolves the paths of mounts, and gives their files the mode 0400', () => {
    expect(plan([{ secretName: 's', path: 'keys/' }])).to.deep.equal([
      { secretName: 's', mountPath: '/b/keys', mode: 0o400, optional: undefined },
    ]);
  });

  it('refuses a path that another mount has, or that contains one', () => {
    const mount = (path: string) => ({ secretName: 's', path });
    expect(fieldOf(() => plan([mount('/b')]))).to.equal('secretMounts[0].path');
    expect(fieldOf(() => plan([mount('/')]))).to.equal('secretMounts[0].path');
    expect(fieldOf(() => plan([mount('/.kw/x')]))).to.equal('secretMounts[0].path');
    expect(fieldOf(() => plan([mount('/o')], { outputs: { o: '/o/x' } }))).to.equal('secretMounts[0].path');
    expect(fieldOf(() => plan([mount('/k'), mount('/k')]))).to.equal('secretMounts[1].path');
    expect(fieldOf(() => plan([mount('/k'), mount('/k/x')]))).to.equal('secretMounts[1].path');
  });

  it('refuses a mode that is not of files, and a name that is not of a secret', () => {
    expect(fieldOf(() => plan([{ secretName: 's', path: '/k', mode: 0o1000 }]))).to.equal('secretMounts[0].mode');
    expect(fieldOf(() => plan([{ secretName: 'a b', path: '/k' }]))).to.equal('secretMounts[0].secretName');
  });
});

describe('planContainer with sidecars', () => {
  const plan = (...sidecars: Partial<SidecarSpec>[]) =>
    planContainer({
      image: 'busybox:1',
      sidecars: sidecars.map((parts, index) => ({ name: `s${index}`, image: 'i', ...parts })),
    });

  it('accepts one port number per protocol, and a probe of a named port', () => {
    plan(
      {
        ports: [
          { name: 'dns', containerPort: 53 },
          { containerPort: 53, protocol: 'UDP' },
        ],
        readinessProbe: { httpGet: { port: 'dns' } },
      },
      { ports: [{ name: 'http', containerPort: 80 }] },
    );
  });

  const tcp = (port: number | string) => ({ tcpSocket: { port } });
  const wrong: readonly (readonly [field: string, ...sidecars: Partial<SidecarSpec>[]])[] = [
    ['sidecars[1].ports[0].containerPort', { ports: [{ containerPort: 80 }] }, { ports: [{ containerPort: 80 }] }],
    [
      'sidecars[1].ports[0].name',
      { ports: [{ name: 'http', containerPort: 80 }] },
      { ports: [{ name: 'http', containerPort: 81 }] },
    ],
    ['sidecars[0].ports[0].containerPort', { ports: [{ containerPort: 65_536 }] }],
    ['sidecars[0].ports[0].name', { ports: [{ name: '80', containerPort: 80 }] }],
    ['sidecars[0].readinessProbe', { readinessProbe: {} }],
    ['sidecars[0].readinessProbe', { readinessProbe: { ...tcp(1), exec: { command: ['x'] } } }],
    ['sidecars[0].readinessProbe.exec.command', { readinessProbe: { exec: { command: [] } } }],
    ['sidecars[0].readinessProbe.tcpSocket.port', { readinessProbe: tcp('none') }],
    ['sidecars[0].readinessProbe.periodSeconds', { readinessProbe: { ...tcp(1), periodSeconds: 0 } }],
    ['sidecars[0].requests.cpuMilli', { limits: { cpuMilli: 1 }, requests: { cpuMilli: 2 } }],
    ['sidecars[0].secretEnv.A', { env: ['A=1'], secretEnv: { A: { secretName: 's', key: 'k' } } }],
  ];
  for (const [field, ...sidecars] of wrong)
    it(`names ${field} of ${JSON.stringify(sidecars).slice(0, 90)} [A10]`, () => {
      expect(fieldOf(() => plan(...sidecars))).to.equal(field);
    });
});

describe('cleanPath', () => {
  it('rejects paths that cannot be mount paths', () => {
    for (const path of [
      '',
      '/',
      '//',
      '/..',
      '/a/../b',
      'relative',
      '/a:b',
      '/a\0b',
      '/.kw',
      '/.kw/volumes',
      '/.kw-agent/agent',
    ]) {
      expect(
        fieldOf(() => cleanPath('path', path, undefined)),
        JSON.stringify(path),
      ).to.equal('path');
    }
  });

  it('accepts unusual names', () => {
    for (const path of ['/a b', '/..a', '/a/...', '/.kwx', '/-n', '/ünï'])
      expect(cleanPath('path', path, undefined)).to.equal(path);
  });
});
