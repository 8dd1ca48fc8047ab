import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { expect } from 'chai';
import WebSocket from 'ws';
import type { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { ClusterClient, collect, refusal } from './cluster-client.ts';
import { isolations, startOrSkip } from './isolation.ts';

const v4 = 'v4.channel.k8s.io';
const v5 = 'v5.channel.k8s.io';

/** Returns the message of a Status body. */
function messageOf(text: string): string {
  return (JSON.parse(text) as { message: string }).message;
}

for (const isolation of isolations) {
  describe(`Exec in the embedded cluster, isolation ${isolation}`, () => {
    let cluster: EmbeddedCluster;
    let client: ClusterClient;

    before(async function () {
      cluster = await startOrSkip(this, { isolation });
      client = new ClusterClient(cluster);
      const volumeMounts = [{ name: 'v', mountPath: '/kw-v' }];
      await client.runScript('p', 'sleep 1000', {
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [
          { name: 'main', image: 'x', volumeMounts, workingDir: '/kw-v' },
          { name: 'side', image: 'x', command: ['sleep', '1000'], env: [{ name: 'WHO', value: 'side' }] },
        ],
      });
      await client.podInPhase('p', 'Running');
    });
    after(() => cluster?.close());

    const exec = (command: string[], more: object = {}, input?: Buffer) =>
      client.exec('p', { command, container: 'main', ...more }, input);

    for (const protocol of [v5, v4]) {
      it(`carries the outputs on separate channels and ends with the status, in ${protocol}`, async () => {
        const { stdout, stderr, status, closeCode, messages } = await exec(['sh', '-c', 'echo out; echo err >&2'], {
          protocol,
        });
        expect([stdout.toString(), stderr.toString(), closeCode]).to.deep.equal(['out\n', 'err\n', 1000]);
        expect(status).to.deep.equal({ metadata: {}, status: 'Success' });
        expect(messages[0]).to.deep.equal(Buffer.of(1));
        expect(messages.at(-1)?.[0]).to.equal(3);
      });

      it(`reports an exit code and a signal, in ${protocol}`, async () => {
        const causes = async (script: string) => (await exec(['sh', '-c', script], { protocol })).status.details.causes;
        expect(await causes('exit 7')).to.deep.equal([{ reason: 'ExitCode', message: '7' }]);
        expect(await causes('kill -9 $$')).to.deep.equal([{ reason: 'ExitCode', message: '137' }]);
      });

      it(`reports a missing command, in ${protocol}`, async () => {
        for (const [command, why] of [
          ['kw-nope', 'executable file not found in $PATH'],
          ['/kw-nope', 'stat /kw-nope: no such file or directory'],
          ['/etc/passwd', 'permission denied'],
        ] as const) {
          const { status, closeCode } = await exec([command], { protocol });
          expect(status).to.deep.include({ status: 'Failure', reason: 'InternalError', code: 500 });
          const inner =
            protocol === v5 ? 'Internal error occurred: Internal error occurred: ' : 'Internal error occurred: ';
          expect(status.message).to.match(
            new RegExp(
              `^${inner}error executing command in container: failed to exec in container: failed to start exec "[0-9a-f]{64}": OCI runtime exec failed: exec failed: `,
            ),
          );
          expect(status.message).to.include(`exec: "${command}": ${why}: unknown`);
          expect(closeCode).to.equal(1000);
        }
      });
    }

    it('refuses invalid requests before the upgrade', async () => {
      const refused = (pod: string, more: object = {}) =>
        refusal(client.connectExec(pod, { command: ['true'], ...more }));
      expect(await refused('none').then(({ code, text }) => [code, messageOf(text)])).to.deep.equal([
        404,
        'pods "none" not found',
      ]);
      expect(
        await refused('p', { container: 'other' }).then(({ code, text }) => [code, messageOf(text)]),
      ).to.deep.equal([400, 'container other is not valid for pod p']);
      expect(await refused('p').then(({ code, text }) => [code, messageOf(text)])).to.deep.equal([
        400,
        'a container name must be specified for pod p, choose one of: [main side]',
      ]);
      expect((await refused('p', { container: 'main', protocol: 'foo' })).code).to.equal(403);
      expect((await client.raw('/api/v1/namespaces/default/pods/p/exec?command=true')).body.message).to.equal(
        'Upgrade request required',
      );
    });

    it('reports a container that does not run: by HTTP over v4, by a status over v5', async () => {
      await client.createPod('done', {
        restartPolicy: 'Never',
        containers: [{ name: 'main', image: 'x', command: ['true'] }],
      });
      await client.podInPhase('done', 'Succeeded');
      expect(await refusal(client.connectExec('done', { command: ['true'], protocol: v4 }))).to.deep.equal({
        code: 500,
        text: 'container not found ("main")',
      });
      const { status } = await client.exec('done', { command: ['true'] });
      expect(status.message).to.equal(
        'Internal error occurred: unable to upgrade connection: container not found ("main")',
      );
    });

    it('enters the named container, with its environment and in its directory', async () => {
      expect((await exec(['sh', '-c', 'echo $WHO'], { container: 'side' })).stdout.toString()).to.equal('side\n');
      expect((await exec(['sh', '-c', 'echo here > file; cat /kw-v/file'])).stdout.toString()).to.equal('here\n');
    });

    it('allows a command to open its standard streams by name', async () => {
      const { stdout, stderr } = await exec(
        ['sh', '-c', 'echo a > /dev/stdout; echo b > /dev/stderr; cat < /dev/stdin'],
        {},
        Buffer.from('c'),
      );
      expect([stdout.toString(), stderr.toString()]).to.deep.equal(['a\nc', 'b\n']);
    });

    it('carries 4 MiB in and out unchanged', async () => {
      const input = randomBytes(4 * 1024 * 1024);
      const { stdout, status } = await exec(['cat'], {}, input);
      expect(status.status).to.equal('Success');
      expect(createHash('sha256').update(stdout).digest('hex')).to.equal(
        createHash('sha256').update(input).digest('hex'),
      );
    });

    it('sends no message longer than 32 KiB and a byte', async () => {
      const { messages } = await exec(['head', '-c', '300000', '/dev/zero']);
      expect(Math.max(...messages.map(({ length }) => length))).to.be.at.most(32 * 1024 + 1);
    });

    it('blocks the command while the client does not read', async () => {
      const socket = client.connectExec('p', {
        command: ['sh', '-c', 'head -c 16777216 /dev/zero; echo written > /kw-v/written'],
        container: 'main',
      });
      await once(socket, 'open');
      socket.pause();
      await exec(['sh', '-c', 'sleep 0.3']);
      expect((await exec(['ls', '/kw-v/written'])).status.status).to.equal('Failure');
      socket.resume();
      const { stdout, status } = await collect(socket);
      expect([stdout.length, status.status]).to.deep.equal([16777216, 'Success']);
    });

    it('blocks the client while the command does not read', async () => {
      const socket = client.connectExec('p', {
        command: ['sh', '-c', 'until [ -e /kw-v/go ]; do sleep 0.02; done; cat | wc -c'],
        container: 'main',
        stdin: true,
      });
      await once(socket, 'open');
      const message = Buffer.alloc(1024 * 1024 + 1);
      let sent = 0;
      for (let count = 0; count < 24; count += 1) socket.send(message, () => (sent += 1));
      await exec(['sh', '-c', 'sleep 0.1']);
      expect(sent).to.be.below(24);
      await exec(['touch', '/kw-v/go']);
      socket.send(Buffer.of(255, 0));
      expect((await collect(socket)).stdout.toString().trim()).to.equal(String(24 * 1024 * 1024));
    });

    it('keeps a command running when its client disconnects: its input ends and its output fails', async () => {
      const socket = client.connectExec('p', {
        command: [
          'sh',
          '-c',
          'trap "" PIPE; cat; while echo x; do sleep 0.01; done 2>/dev/null; echo survived > /kw-v/survived',
        ],
        container: 'main',
        stdin: true,
      });
      await once(socket, 'open');
      await once(socket, 'message');
      socket.terminate();
      const { stdout } = await exec([
        'sh',
        '-c',
        'until [ -s /kw-v/survived ]; do sleep 0.02; done; cat /kw-v/survived',
      ]);
      expect(stdout.toString()).to.equal('survived\n');
    });

    it('provides a terminal with a size', async function () {
      const { status } = await exec(['true'], { tty: true });
      if (status.status !== 'Success') {
        console.log(`      skipped: ${status.message}`);
        this.skip();
      }
      const socket = client.connectExec('p', {
        command: ['sh', '-c', 'tty; while [ "$(stty size)" != "33 99" ]; do sleep 0.02; done; stty size'],
        container: 'main',
        tty: true,
        stdin: true,
      });
      socket.on('message', () => socket.send(Buffer.concat([Buffer.of(4), Buffer.from('{"Width":99,"Height":33}')])));
      const { stdout } = await collect(socket);
      expect(stdout.toString()).to.match(/\/dev\/pts\/\d+\r\n33 99\r\n/);
    });

    it('ends an exec when its container is killed, and restarts the container', async () => {
      await client.runScript('killed', 'sleep 1000');
      await client.podInPhase('killed', 'Running');
      const socket = client.connectExec('killed', { command: ['sh', '-c', 'echo started; exec sleep 1000'] });
      // The channels are opened by empty messages, before the command runs.
      for (let text = ''; !text.includes('started'); ) text += String((await once(socket, 'message'))[0]);
      cluster.killContainer({ namespace: 'default', pod: 'killed', container: 'main' });
      const { status } = await collect(socket);
      expect(status.details.causes).to.deep.equal([{ reason: 'ExitCode', message: '137' }]);
      await client.podWhen(
        'killed',
        (pod) => pod.status.containerStatuses?.[0].restartCount === 1 && pod.status.phase === 'Running',
      );
    });

    it('closes a connection that sends a CLOSE of another size', async () => {
      const socket = client.connectExec('p', { command: ['cat'], container: 'main', stdin: true });
      await once(socket, 'open');
      socket.send(Buffer.of(255));
      expect((await collect(socket)).closeCode).to.equal(1006);
      expect(socket.readyState).to.equal(WebSocket.CLOSED);
    });
  });
}
