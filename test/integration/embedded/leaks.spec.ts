import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';
import { EmbeddedCluster, EmbeddedClusterError } from '../../../src/embedded/index.ts';
import { until } from '../../support/agent/agent-process.ts';
import { LimitedFolder } from '../../support/limited-folder.ts';
import { processesWith } from '../../support/processes-with.ts';
import { rejection } from '../../support/rejection.ts';
import { ClusterClient } from './cluster-client.ts';
import { isolations, startOrSkip } from './isolation.ts';

const program = fileURLToPath(new URL('../../../src/service/main.ts', import.meta.url));

/**
 * A script that leaves behind a process in a session of its own and a directory without write
 * permission.
 */
const escapeScript = (mark: string) =>
  `setsid sh -c 'sleep ${mark}; true' </dev/null >/dev/null 2>&1 & mkdir -p /kw-leak/closed/in; chmod 0555 /kw-leak/closed; echo up; sleep ${mark}; true`;
const withVolume = {
  volumes: [{ name: 'v', emptyDir: {} }],
  containers: [{ name: 'main', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/kw-leak' }] }],
};

describe('An embedded cluster that cannot start', () => {
  it('on a full disk leaves neither a server nor a folder', async function () {
    await using limited = await LimitedFolder.mountFor(this, 'size=1m');
    await rejection(writeFile(join(limited.folder, 'full'), Buffer.alloc(2_000_000)));
    const port = await freePort();
    const error = await rejection(EmbeddedCluster.start({ port, directory: join(limited.folder, 'work') }));
    expect(error).to.include({ code: 'ENOSPC' });
    expect(await readdir(limited.folder)).to.deep.equal(['full']);
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
  });
});

for (const isolation of isolations) {
  describe(`Leftovers of the embedded cluster, isolation ${isolation}`, () => {
    before(async function () {
      await using _cluster = await startOrSkip(this, { isolation });
    });

    it('do not exist after the cluster has closed', async () => {
      const mark = '98761.1';
      const cluster = await EmbeddedCluster.start({ isolation });
      const client = new ClusterClient(cluster);
      await client.runScript('a', escapeScript(mark), withVolume);
      await client.podInPhase('a', 'Running');
      const socket = client.connectExec('a', { command: ['sleep', mark] });
      await once(socket, 'message');
      while ((await client.raw('/api/v1/namespaces/default/pods/a/log')).text !== 'up\n');
      await until('all processes run', async () => (await processesWith(mark)).length >= 3);
      await cluster.close();
      expect(await processesWith(mark)).to.deep.equal([]);
      expect(existsSync(cluster.directory)).to.equal(false);
      expect(existsSync(dirname(cluster.directory))).to.equal(false);
      await cluster.close();
    });

    it('do not exist after the host was killed and another cluster has started', async () => {
      const mark = '98762.1';
      const home = await mkdtemp(join(tmpdir(), 'kw-leaks-'));
      const env = { ...process.env, TMPDIR: home };
      const host = spawn(process.execPath, [program, 'embedded', '--json', '--isolation', isolation], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env,
      });
      const { kubeconfig } = await firstLine(host);
      const config = new KubeConfig();
      config.loadFromFile(kubeconfig);
      const api = config.makeApiClient(CoreV1Api);
      const [container] = withVolume.containers;
      await api.createNamespacedPod({
        namespace: 'default',
        body: {
          metadata: { name: 'a' },
          spec: {
            ...withVolume,
            containers: [{ name: 'main', image: 'x', ...container, command: ['sh', '-c', escapeScript(mark)] }],
          },
        },
      });
      while ((await api.readNamespacedPodLog({ namespace: 'default', name: 'a' }).catch(() => '')) !== 'up\n');
      host.kill('SIGKILL');
      await once(host, 'exit');
      expect((await processesWith(mark)).length).to.be.at.least(1);
      const next = spawn(process.execPath, [program, 'embedded', '--json', '--isolation', 'mapped'], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env,
      });
      await firstLine(next);
      expect(await processesWith(mark)).to.deep.equal([]);
      expect(existsSync(dirname(kubeconfig))).to.equal(false);
      next.kill('SIGTERM');
      await once(next, 'exit');
      await rm(home, { recursive: true });
    });
  });
}

async function firstLine(child: ChildProcess): Promise<{ kubeconfig: string; pid: number }> {
  if (child.stdout === null) throw new Error('no stdout');
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return JSON.parse(line) as { kubeconfig: string; pid: number };
}

describe('The embedded cluster as a process', () => {
  it('prints the path of its kubeconfig, and ends with its stdin', async () => {
    const host = spawn(
      process.execPath,
      [program, 'embedded', '--json', '--until-stdin-closes', '--isolation', 'mapped'],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    const { kubeconfig, pid } = await firstLine(host);
    expect(pid).to.equal(host.pid);
    expect(existsSync(kubeconfig)).to.equal(true);
    host.stdin.end();
    expect(await once(host, 'exit')).to.deep.equal([0, null]);
    expect(existsSync(kubeconfig)).to.equal(false);
  });

  it('ends with SIGTERM', async () => {
    const host = spawn(process.execPath, [program, 'embedded', '--json', '--isolation', 'mapped'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await firstLine(host);
    host.kill('SIGTERM');
    expect(await once(host, 'exit')).to.deep.equal([0, null]);
  });
});

describe('The directory of the embedded cluster', () => {
  let parent: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'kw-embedded-spec-'));
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  it('keeps its other entries if it existed before', async () => {
    await mkdir(join(parent, 'mine'));
    const cluster = await EmbeddedCluster.start({ directory: parent, isolation: 'mapped' });
    expect(cluster.kubeconfigPath).to.equal(join(parent, 'kubeconfig'));
    await cluster.close();
    expect(await readdir(parent)).to.deep.equal(['mine']);
  });

  it('is removed if the cluster created it', async () => {
    const directory = join(parent, 'new', 'deep');
    const cluster = await EmbeddedCluster.start({ directory, isolation: 'mapped' });
    await mkdir(join(directory, 'claims', 'x'), { recursive: true });
    await chmod(join(directory, 'claims'), 0o500);
    await cluster.close();
    expect(existsSync(directory)).to.equal(false);
  });

  it('is refused with the reason of the file system', async () => {
    await writeFile(join(parent, 'file'), '');
    for (const [directory, code] of [
      [join(parent, 'file'), 'EEXIST'],
      [join(parent, 'file', 'below'), 'ENOTDIR'],
      ['/proc/none', 'ENOENT'],
      ['/proc/none/below', 'ENOENT'],
    ] as const)
      expect(await rejection(EmbeddedCluster.start({ directory })), directory).to.include({ code });
  });
});

describe('Options of the embedded cluster', () => {
  for (const [field, options] of [
    ['port', { port: -1 }],
    ['port', { port: 1.5 }],
    ['namespace', { namespace: 'No' }],
    ['crashLoopBackOffMs', { crashLoopBackOffMs: Number.NaN }],
  ] as const) {
    it(`are rejected by name: ${JSON.stringify(options)}`, async () => {
      const error = await rejection(EmbeddedCluster.start(options));
      expect(error)
        .to.be.instanceOf(EmbeddedClusterError)
        .and.to.deep.include({ code: 'KW_ERR_EMBEDDED_INVALID_OPTION', field });
    });
  }
});

/** Returns a port on which nothing listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
