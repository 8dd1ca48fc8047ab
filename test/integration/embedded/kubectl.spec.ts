import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EmbeddedCluster } from '../../../src/embedded/index.ts';

/** Returns kubectl from the variable KUBECTL or from the PATH. */
function findKubectl(): string | undefined {
  for (const candidate of [process.env['KUBECTL'], 'kubectl']) {
    if (candidate === undefined) continue;
    try {
      execFileSync(candidate, ['version', '--client'], {
        stdio: 'ignore',
        env: { ...process.env, KUBECONFIG: '/dev/null' },
      });
      return candidate;
    } catch {
      // Try the next candidate.
    }
  }
  return undefined;
}

describe('kubectl with the embedded cluster', () => {
  const kubectl = findKubectl() ?? '';
  let cluster: EmbeddedCluster;
  let home: string;

  interface Result {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
  }

  const run = (...words: string[]) => runWith('', ...words);
  const runWith = (input: string, ...words: string[]): Promise<Result> =>
    new Promise((resolve) => {
      const environment = { PATH: process.env['PATH'] ?? '', HOME: home, KUBECONFIG: cluster.kubeconfigPath };
      const child = execFile(kubectl, words, { env: environment }, (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      );
      child.stdin?.end(input);
    });
  const quiet = async (...words: string[]) => {
    const { code, stdout, stderr } = await run(...words);
    expect([code, stderr], words.join(' ')).to.deep.equal([0, '']);
    return stdout;
  };

  before(async function () {
    if (kubectl === '') {
      console.log('      skipped: there is no kubectl');
      this.skip();
    }
    home = await mkdtemp(join(tmpdir(), 'kw-kubectl-'));
    cluster = await EmbeddedCluster.start();
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a', labels: { app: 'x' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          { name: 'main', image: 'registry.local/busybox:1', command: ['sh', '-c', 'echo logged; sleep 1000'] },
        ],
      },
    };
    await writeFile(join(home, 'pod.json'), JSON.stringify(pod));
    expect((await run('apply', '--validate=false', '-f', join(home, 'pod.json'))).stdout).to.equal('pod/a created\n');
    expect(await quiet('wait', '--for=condition=Ready', 'pod/a', '--timeout=10s')).to.equal('pod/a condition met\n');
  });
  after(async () => {
    if (cluster === undefined) return;
    await cluster.close();
    await rm(home, { recursive: true });
  });

  it('prints a pod', async () => {
    expect(await quiet('get', 'pods')).to.match(/^NAME +READY +STATUS +RESTARTS +AGE\na +1\/1 +Running +0 +\d+s\n$/);
    expect(await quiet('get', 'pods', '-l', 'app in (x)', '-o', 'name')).to.equal('pod/a\n');
    expect(await quiet('get', 'pod', 'a', '-o', 'jsonpath={.status.phase}')).to.equal('Running');
    expect(await quiet('get', 'nodes')).to.match(/ Ready /);
  });

  it('describes a pod with its events', async () => {
    const text = await quiet('describe', 'pod', 'a');
    for (const reason of ['Scheduled', 'Pulled', 'Created', 'Started']) expect(text).to.include(reason);
    expect(await quiet('get', 'events', '--field-selector', 'involvedObject.name=a,reason=Started')).to.include(
      'Started container main',
    );
  });

  it('runs commands, with their exit status and input', async () => {
    expect(await quiet('exec', 'a', '--', 'echo', 'hi')).to.equal('hi\n');
    expect((await run('exec', 'a', '--', 'sh', '-c', 'exit 7')).code).to.equal(7);
    expect((await runWith('some input', 'exec', '-i', 'a', '--', 'cat')).stdout).to.equal('some input');
    expect((await run('exec', 'a', '--', 'kw-nope')).stderr).to.include('executable file not found in $PATH');
  });

  it('prints logs', async () => {
    expect(await quiet('logs', 'a')).to.equal('logged\n');
  });

  it('creates config maps and secrets, changes labels and patches', async () => {
    expect(await quiet('create', 'configmap', 'c', '--from-literal=k=v')).to.equal('configmap/c created\n');
    expect(await quiet('get', 'configmap', 'c', '-o', 'jsonpath={.data.k}')).to.equal('v');
    expect(await quiet('create', 'secret', 'generic', 's', '--from-literal=k=v')).to.equal('secret/s created\n');
    expect(await quiet('label', 'pod', 'a', 'more=yes')).to.equal('pod/a labeled\n');
    expect(await quiet('patch', 'configmap', 'c', '-p', '{"data":{"k2":"v2"}}')).to.equal('configmap/c patched\n');
    expect(await quiet('delete', 'configmap', 'c')).to.match(/^configmap "c" deleted/);
  });

  it('applies a change', async () => {
    await writeFile(
      join(home, 'map.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data: { a: '1', b: '1' } }),
    );
    expect(await quiet('apply', '--validate=false', '-f', join(home, 'map.json'))).to.equal(
      'configmap/applied created\n',
    );
    await writeFile(
      join(home, 'map.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data: { b: '2' } }),
    );
    expect(await quiet('apply', '--validate=false', '-f', join(home, 'map.json'))).to.equal(
      'configmap/applied configured\n',
    );
    expect(await quiet('get', 'configmap', 'applied', '-o', 'jsonpath={.data}')).to.equal('{"b":"2"}');
  });

  it('has every permission', async () => {
    expect(await quiet('auth', 'can-i', 'create', 'pods/exec')).to.equal('yes\n');
  });

  it('creates a pod with run, and deletes it', async () => {
    expect(
      await quiet('run', 'one', '--image=registry.local/busybox:1', '--restart=Never', '--command', '--', 'true'),
    ).to.equal('pod/one created\n');
    expect(await quiet('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/one', '--timeout=10s')).to.equal(
      'pod/one condition met\n',
    );
    const start = ['--image=registry.local/busybox:1', '--restart=Never', '--command', '--', 'true'];
    expect(await quiet('run', 'two', ...start)).to.equal('pod/two created\n');
    expect(await quiet('delete', 'pod', 'one', 'two')).to.match(/pod "one" deleted.*\npod "two" deleted/);
    expect(await quiet('get', 'pods', '-o', 'name')).to.equal('pod/a\n');
    expect(await run('get', 'pods', '-l', 'app=none')).to.deep.include({
      code: 0,
      stdout: '',
      stderr: 'No resources found in default namespace.\n',
    });
  });
});
