import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { ClusterClient } from './cluster-client.ts';

const program = fileURLToPath(new URL('../../../src/service/main.ts', import.meta.url));
const otherUser = ['--reuid=65534', '--regid=65534', '--clear-groups', '--'];

/**
 * Whether the user `nobody` can run this checkout's cluster: only root can change the user, and the
 * checkout may be below a private directory.
 */
function canChangeUser(): boolean {
  try {
    execFileSync(
      'setpriv',
      [...otherUser, process.execPath, '-e', `require('node:fs').accessSync(${JSON.stringify(program)})`],
      { stdio: 'ignore' },
    );
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

for (const isolation of ['auto', 'mapped'] as const) {
  describe(`The embedded cluster of a user who is not root, isolation ${isolation}`, () => {
    let host: ChildProcess;
    let home: string;
    let client: ClusterClient;

    before(async function () {
      if (!canChangeUser()) {
        console.log('      skipped: needs root, setpriv, and a checkout that the user nobody can read');
        this.skip();
      }
      home = await mkdtemp(join(tmpdir(), 'kw-nobody-'));
      chownSync(home, 65_534, 65_534);
      host = spawn(
        'setpriv',
        [...otherUser, process.execPath, program, 'embedded', '--json', '--isolation', isolation],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
          env: { PATH: process.env['PATH'], HOME: home, TMPDIR: home },
        },
      );
      if (host.stdout === null) throw new Error('no stdout');
      const [line] = (await once(createInterface({ input: host.stdout }), 'line')) as [string];
      const { kubeconfig, url } = JSON.parse(line) as { kubeconfig: string; url: string };
      client = new ClusterClient({ kubeconfig: await readFile(kubeconfig, 'utf8'), url });
    });
    after(async () => {
      if (host === undefined) return;
      host.kill('SIGTERM');
      await once(host, 'exit');
      await rm(home, { recursive: true });
    });

    it('runs a pod with volumes, executes commands in it, and deletes it', async () => {
      const volumes = [
        { name: 'v', emptyDir: {} },
        { name: 'c', configMap: { name: 'c' } },
      ];
      const volumeMounts = [
        { name: 'v', mountPath: '/kw-user/v' },
        { name: 'c', mountPath: '/kw-user/c', readOnly: true },
      ];
      await client.api.createNamespacedConfigMap({
        namespace: 'default',
        body: { metadata: { name: 'c' }, data: { key: 'value' } },
      });
      await client.runScript('p', 'cat /kw-user/c/key > /kw-user/v/copy; sleep 1000', {
        volumes,
        containers: [{ name: 'main', image: 'x', volumeMounts, securityContext: { runAsUser: 1234 } }],
      });
      await client.podInPhase('p', 'Running');
      const { stdout, status } = await client.exec('p', {
        command: [
          'sh',
          '-c',
          'until [ -s /kw-user/v/copy ]; do sleep 0.02; done; cat /kw-user/v/copy; echo err > /dev/stderr',
        ],
      });
      expect([status.status, stdout.toString()]).to.deep.equal(['Success', 'value']);
      await client.api.deleteNamespacedPod({ namespace: 'default', name: 'p' });
      expect((await client.raw('/api/v1/namespaces/default/pods')).body.items).to.satisfy(
        (items: unknown[]) => items.length <= 1,
      );
    });
  });
}
