import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { CoreV1Api, RbacAuthorizationV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { ForbiddenError, UnauthorizedError } from '../../src/errors/cluster.ts';
import { ExecHandshakeFailedError, UnsupportedSubprotocolError } from '../../src/errors/connection.ts';
import type { ExecConnection } from '../../src/exec/exec-connection.ts';
import type { ExecEndpoint } from '../../src/exec/exec-endpoint.ts';
import { type OpenExecOptions, openExec } from '../../src/exec/open-exec.ts';
import { type ExecProtocol, execProtocols, ProtocolOrder } from '../../src/exec/protocol-order.ts';
import { until } from '../support/agent/agent-process.ts';
import { idlePod, type RealCluster, realCluster } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';

interface Ran {
  readonly stdout: Buffer;
  readonly reason: Error;
  readonly connection: ExecConnection;
}

describe('an exec on a real cluster', () => {
  let real: RealCluster;

  before(async function () {
    real = await realCluster(this, 'exec');
    await real.cluster.createPod(idlePod('box'));
    for (;;) {
      const ran = await run(['true']).catch((error: unknown) => error);
      if (!(ran instanceof ExecHandshakeFailedError)) return;
      expect(ran.retryable, ran.message).to.equal(true);
      await sleep(50);
    }
  });

  after(async () => {
    await (real as RealCluster | undefined)?.remove();
  });

  async function endpoint(command: readonly string[], podName = 'box', containerName = 'main'): Promise<ExecEndpoint> {
    return real.cluster.execEndpoint({ podName, containerName, command });
  }

  /**
   * Runs a command to its end. Rejects also if the server refuses the start on the status channel.
   */
  async function run(command: readonly string[], options: OpenExecOptions = {}, podName = 'box'): Promise<Ran> {
    const connection = await openExec(await endpoint(command, podName), options);
    const chunks: Uint8Array[] = [];
    const reason = await new Promise<Error>((resolve) =>
      connection.start({ data: (chunk) => chunks.push(Buffer.from(chunk)), end: resolve }),
    );
    if (reason instanceof ExecHandshakeFailedError) throw reason;
    return { stdout: Buffer.concat(chunks), reason, connection };
  }

  for (const protocol of execProtocols) {
    describe(`over ${protocol}`, () => {
      const options = { protocols: new ProtocolOrder([protocol]) };

      it('delivers complete stdout, separate stderr, and the exit code', async () => {
        const { stdout, connection, reason } = await run(['sh', '-c', 'seq 100000; echo oops >&2; exit 3'], options);
        expect(connection.protocol).to.equal(protocol);
        expect(connection.status).to.deep.equal({ kind: 'exited', exitCode: 3 });
        expect(createHash('sha256').update(stdout).digest('hex')).to.equal(
          createHash('sha256')
            .update(Array.from({ length: 100_000 }, (_, index) => `${String(index + 1)}\n`).join(''))
            .digest('hex'),
        );
        expect(reason.message).to.contain('exit code 3').and.contain('oops');
      });

      it('echoes 16 MiB in both directions concurrently, byte for byte, and ends the command when it is closed', async () => {
        const payload = randomBytes(16 * 1024 * 1024);
        const connection = await openExec(await endpoint(['cat']), options);
        const hash = createHash('sha256');
        let received = 0;
        const whole = new Promise<void>((resolve, reject) => {
          connection.start({
            data: (chunk) => {
              hash.update(chunk);
              received += chunk.length;
              if (received === payload.length) resolve();
            },
            end: reject,
          });
        });
        for (let offset = 0; offset < payload.length; offset += 256 * 1024)
          await connection.write([payload.subarray(offset, offset + 256 * 1024)]);
        await whole;
        expect(hash.digest('hex')).to.equal(createHash('sha256').update(payload).digest('hex'));
        connection.close();
        await until('cat has ended', async () => !(await run(['ps'])).stdout.toString().includes(' cat'));
      });

      it('fails permanently for a missing program [A18]', async () => {
        const error = await rejection(run(['/no/such/program'], options));
        expect(error).to.include({ code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', retryable: false });
        expect(error.message).to.contain('no such file or directory');
      });

      it('fails with a retryable error while the container is not running [A18]', async () => {
        const pod = idlePod(`broken-${protocol.slice(0, 2).toLowerCase()}`);
        pod.spec!.containers[0]!.image = 'registry.local/no-such-image:1';
        await real.cluster.createPod(pod);
        const scheduled = async (): Promise<boolean> =>
          (await real.cluster.getPod(pod.metadata!.name!))?.spec?.nodeName !== undefined;
        while (!(await scheduled())) await sleep(50);
        expect(await rejection(run(['true'], options, pod.metadata!.name))).to.include({
          code: 'KW_ERR_EXEC_HANDSHAKE_FAILED',
          retryable: true,
        });
      });
    });
  }

  it('fails permanently for a missing pod or container', async () => {
    expect(await rejection(openExec(await endpoint(['true'], 'none')))).to.include({
      code: 'KW_ERR_EXEC_HANDSHAKE_FAILED',
      status: 404,
      retryable: false,
    });
    expect(await rejection(openExec(await endpoint(['true'], 'box', 'none')))).to.include({
      code: 'KW_ERR_EXEC_HANDSHAKE_FAILED',
      status: 400,
      retryable: false,
    });
  });

  it('rejects without a common sub-protocol', async () => {
    expect(
      await rejection(
        openExec(await endpoint(['true']), { protocols: new ProtocolOrder(['v9.channel.k8s.io' as ExecProtocol]) }),
      ),
    ).to.be.instanceOf(UnsupportedSubprotocolError);
  });

  it('rejects with invalid credentials', async () => {
    const { cert: _cert, key: _key, ...tls } = (await endpoint(['true'])).tls;
    const wrong = { ...(await endpoint(['true'])), tls, headers: { Authorization: 'Bearer nonsense' } };
    expect(await rejection(openExec(wrong))).to.be.instanceOf(UnauthorizedError);
  });

  it('names the missing right', async () => {
    const { namespace, kubeConfig } = real;
    await kubeConfig
      .makeApiClient(CoreV1Api)
      .createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'weak' } } });
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];
    const rbac = kubeConfig.makeApiClient(RbacAuthorizationV1Api);
    await rbac.createNamespacedRole({ namespace, body: { metadata: { name: 'weak' }, rules } });
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'weak' };
    await rbac.createNamespacedRoleBinding({
      namespace,
      body: { metadata: { name: 'weak' }, roleRef, subjects: [{ kind: 'ServiceAccount', name: 'weak', namespace }] },
    });
    const { status } = await kubeConfig.makeApiClient(CoreV1Api).createNamespacedServiceAccountToken({
      namespace,
      name: 'weak',
      body: { spec: { audiences: [], expirationSeconds: 600 } },
    });
    const { cert: _cert, key: _key, ...tls } = (await endpoint(['true'])).tls;
    const error = await rejection(
      openExec({ ...(await endpoint(['true'])), tls, headers: { Authorization: `Bearer ${status?.token ?? ''}` } }),
    );
    expect(error).to.be.instanceOf(ForbiddenError).and.include({ resource: 'pods/exec', namespace });
    expect(error.message).to.contain('verbs create and get on pods/exec');
  });

  it('rejects a server with the certificate of another server', async () => {
    const plain = await endpoint(['true']);
    const error = await rejection(openExec({ ...plain, tls: { ...plain.tls, ca: undefined } }));
    expect(error).to.include({ code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', retryable: false, status: undefined });
  });
});
