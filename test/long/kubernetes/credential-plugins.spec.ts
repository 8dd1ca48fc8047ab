import { getEventListeners } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { CredentialsUnavailableError, UnauthorizedError } from '../../../src/errors/cluster.ts';
import type { CredentialsUnavailableError as Unavailable } from '../../../src/index.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import { connectByExec } from '../../../src/pods/exec-agent.ts';
import { until } from '../../support/agent/agent-process.ts';
import { answerJson, failure, ScriptedApiServer } from '../../support/api-server.ts';
import { PluginFolder } from '../../support/plugin-folder.ts';
import { rejection } from '../../support/rejection.ts';
import { Tripwire } from '../../support/tripwire.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', uid: 'u' } };
const target = { podName: 'p', containerName: 'main', command: ['true'] };
const logTarget = { podName: 'p', containerName: 'main', follow: false };

describe('a credential plug-in', () => {
  let server: ScriptedApiServer;
  let folder: PluginFolder;
  let clock: VirtualClock;
  let cluster: ClientNodeCluster;
  let accepted: string;

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    folder = await PluginFolder.make();
    clock = new VirtualClock();
    accepted = 'one';
    server.rest = (request, response) => {
      if (request.headers.authorization !== `Bearer ${accepted}`)
        answerJson(response, 401, failure(401, 'Unauthorized', 'Unauthorized'));
      else if (request.url?.includes('watch=true') === true)
        response.writeHead(200).end(`${JSON.stringify({ type: 'ADDED', object: pod })}\n`);
      else if (request.url?.includes('/log') === true) response.writeHead(200).end('2030-01-01T00:00:00Z line\n');
      else answerJson(response, 200, pod);
    };
    await folder.configure(server.url);
  });

  afterEach(async () => {
    await server.close();
    await folder.remove();
  });

  const open = (options: { readonly callTimeoutMs?: number } = {}): Promise<ClientNodeCluster> =>
    ClientNodeCluster.fromConfig({ kubeConfig: folder.kubeConfig, clock, ...options });

  const bearers = (): (string | undefined)[] => server.headers.map(({ authorization }) => authorization);

  async function watchOnce(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    for await (const _change of cluster.watchPods('', '1', options));
  }

  async function logOnce(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    for await (const _line of cluster.readLog(logTarget, options));
  }

  /** The four operations that need credentials. */
  const ways: Readonly<Record<string, (options?: { readonly signal?: AbortSignal }) => Promise<unknown>>> = {
    'an API call': (options) => cluster.getPod('p', options),
    'a watch': watchOnce,
    'a log': logOnce,
    'an exec': (options) => connectByExec(cluster, 'p', options),
  };

  /** Advances the virtual time until the call settles. */
  async function passing<T>(call: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    call.then(done, done);
    while (!settled) {
      await clock.advance(500);
      await sleep(2);
    }
    return call;
  }

  it('runs once for fifty concurrent calls, watches, logs and execs', async () => {
    await folder.plugin(`sleep 0.2\n${folder.answer({ token: 'one' })}`);
    cluster = await open();
    const needs = [() => cluster.getPod('p'), watchOnce, logOnce, () => cluster.execEndpoint(target)];
    await Promise.all(Array.from({ length: 50 }, async (_, index) => needs[index % needs.length]!()));
    expect(await folder.runs()).to.equal(1);
    expect(new Set(bearers())).to.deep.equal(new Set(['Bearer one']));
    expect((await cluster.execEndpoint(target)).headers).to.deep.equal({ Authorization: 'Bearer one' });
    expect(await folder.runs()).to.equal(1);
  });

  it('runs once more for fifty calls that the server refuses with 401', async () => {
    await folder.plugin(folder.answer({ token: 'one' }));
    cluster = await open();
    await cluster.getPod('p');
    await folder.plugin(folder.answer({ token: 'two' }));
    accepted = 'two';
    await Promise.all(Array.from({ length: 50 }, () => cluster.getPod('p')));
    expect(await folder.runs()).to.equal(2);
  });

  it('runs once more for execs that the server refuses with 401', async () => {
    await folder.plugin(folder.answer({ token: 'one' }));
    cluster = await open();
    await cluster.getPod('p');
    await folder.plugin(folder.answer({ token: 'two' }));
    server.exec = (peer) => {
      if (peer.request.headers.authorization === 'Bearer two') peer.accept();
      else peer.refuse(401, JSON.stringify(failure(401, 'Unauthorized', 'Unauthorized')));
    };
    const connections = await Promise.all(Array.from({ length: 10 }, () => connectByExec(cluster, 'p')));
    for (const connection of connections) connection.close();
    expect(await folder.runs()).to.equal(2);
  });

  it('rejects with UnauthorizedError if the server refuses the new credentials as well', async () => {
    await folder.plugin(folder.answer({ token: 'wrong' }));
    cluster = await open();
    expect(await rejection(cluster.getPod('p'))).to.be.instanceOf(UnauthorizedError);
    expect(await folder.runs()).to.equal(2);
  });

  for (const way of Object.keys(ways)) {
    context(`for ${way}`, () => {
      it('that fails causes CREDENTIALS_UNAVAILABLE with its stderr, without tokens', async () => {
        const token = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSIsImV4cCI6MX0.c2lnbmF0dXJlLW9mLWEtdG9rZW4';
        await folder.plugin(
          `${folder.answer({ token: 'shrt' })}\necho "no session; token=hunter2 shrt ${token}" >&2\nexit 3`,
        );
        cluster = await open();
        const error = (await rejection(passing(ways[way]!()))) as unknown as Unavailable;
        expect(error).to.be.instanceOf(CredentialsUnavailableError);
        expect(error).to.include({
          code: 'KW_ERR_CREDENTIALS_UNAVAILABLE',
          source: `plug-in ${join(folder.path, 'plugin')}`,
          retryable: true,
        });
        expect(error.message).to.contain('status 3').and.to.contain('no session');
        expect(error.stderr).to.contain('no session');
        for (const text of [error.message, error.stderr]) {
          for (const secret of [token, 'hunter2', 'shrt']) expect(text).to.not.contain(secret);
        }
        expect(server.requests).to.deep.equal([]);
      });

      it('that hangs is killed with its children after the time-out, and later calls succeed', async () => {
        const tripwire = await Tripwire.set();
        await folder.plugin(`echo waiting >&2\nsleep 98763.1 &\necho $! >'${folder.path}/child'\nwait`);
        // Long enough for the start of a program on a busy machine.
        cluster = await open({ callTimeoutMs: 5_000 });
        const error = (await rejection(ways[way]!())) as unknown as Unavailable;
        expect(error).to.include({ code: 'KW_ERR_CREDENTIALS_UNAVAILABLE', stderr: 'waiting', retryable: true });
        expect(error.message).to.contain('did not end within 5000 ms');
        const child = Number(await readFile(join(folder.path, 'child'), 'utf8'));
        await until('the child has ended', () => !isRunning(child));
        await tripwire.check();
        await folder.plugin(folder.answer({ token: 'one' }));
        await clock.advance(1_000);
        expect((await cluster.getPod('p'))?.metadata?.name).to.equal('p');
      });

      it('that hangs is ended by the signal of the only call that waits for it', async () => {
        const tripwire = await Tripwire.set();
        await folder.plugin(`echo $$ >'${folder.path}/self'\nsleep 98764.1`);
        cluster = await open();
        const controller = new AbortController();
        const reason = new Error('enough');
        const call = rejection(ways[way]!({ signal: controller.signal }));
        while (!existsSync(join(folder.path, 'self')) || (await readFile(join(folder.path, 'self'), 'utf8')) === '')
          await sleep(5);
        controller.abort(reason);
        expect(await call).to.equal(reason);
        expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
        await tripwire.check();
        await folder.plugin(folder.answer({ token: 'one' }));
        expect((await cluster.getPod('p'))?.metadata?.name).to.equal('p');
      });
    });
  }

  it('continues for the other calls when the signal of one aborts', async () => {
    await folder.plugin(`until [ -e '${folder.path}/go' ]; do sleep 0.02; done\n${folder.answer({ token: 'one' })}`);
    cluster = await open();
    const controller = new AbortController();
    const aborted = rejection(cluster.getPod('p', { signal: controller.signal }));
    const other = cluster.getPod('p');
    while ((await folder.runs()) === 0) await sleep(5);
    controller.abort(new Error('enough'));
    expect((await aborted).message).to.equal('enough');
    await writeFile(join(folder.path, 'go'), '');
    expect((await other)?.metadata?.name).to.equal('p');
    expect(await folder.runs()).to.equal(1);
  });

  describe('with invalid output', () => {
    for (const [what, script, words, retryable] of [
      ['text', 'echo hello secret-token', 'its output is not JSON', true],
      ['nothing', 'true', 'its output is not JSON', true],
      ['another object', `echo '{"kind":"Status","apiVersion":"v1"}'`, 'not an ExecCredential', true],
      [
        'another version',
        `echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"t"}}'`,
        'apiVersion',
        false,
      ],
      [
        'no status',
        `echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}'`,
        'no status',
        true,
      ],
      [
        'an empty status',
        `echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}}'`,
        'neither a token nor',
        true,
      ],
      [
        'a certificate without a key',
        `echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientCertificateData":"x"}}'`,
        'without a key',
        true,
      ],
      [
        'an invalid expiry',
        `echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t","expirationTimestamp":"soon"}}'`,
        'not a time',
        true,
      ],
      ['two MiB', 'head -c 2097152 /dev/zero', 'too long', true],
      ['a signal', 'kill -SEGV $$', 'SIGSEGV', true],
    ] as const) {
      it(`rejects ${what} with CREDENTIALS_UNAVAILABLE, and does not cache the failure`, async () => {
        await folder.plugin(script);
        cluster = await open();
        const error = await rejection(passing(cluster.getPod('p')));
        expect(error).to.include({ code: 'KW_ERR_CREDENTIALS_UNAVAILABLE', retryable });
        expect(error.message).to.contain(words).and.to.not.contain('secret-token');
        expect(error.cause).to.equal(undefined);
        await folder.plugin(folder.answer({ token: 'one' }));
        await clock.advance(1_000);
        expect((await cluster.getPod('p'))?.metadata?.name).to.equal('p');
      });
    }
  });

  it('that does not exist causes a final CREDENTIALS_UNAVAILABLE with the hint of the kubeconfig', async () => {
    await folder.configure(server.url, { exec: { command: 'kw-no-such-plugin', installHint: 'install it' } });
    cluster = await open();
    const error = await rejection(cluster.getPod('p'));
    expect(error).to.include({
      code: 'KW_ERR_CREDENTIALS_UNAVAILABLE',
      source: 'plug-in kw-no-such-plugin',
      retryable: false,
    });
    expect(error.message).to.contain('ENOENT').and.to.contain('install it');
  });

  it('may return a certificate and its key instead of a token', async () => {
    await folder.plugin(folder.answer({ clientCertificateData: 'the certificate', clientKeyData: 'the key' }));
    const { tls, headers } = await (await open()).execEndpoint(target);
    expect([String(tls.cert), String(tls.key)]).to.deep.equal(['the certificate', 'the key']);
    expect(headers).to.deep.equal({});
  });

  it('that fails once is retried', async () => {
    await folder.plugin(
      `[ -e '${folder.path}/failed' ] || { touch '${folder.path}/failed'; exit 1; }\n${folder.answer({ token: 'one' })}`,
    );
    cluster = await open();
    expect((await passing(cluster.createPod(pod)))?.metadata?.name).to.equal('p');
    expect(await folder.runs()).to.equal(2);
  });

  it('that fails rejects all calls within a short time with one run', async () => {
    await folder.plugin('exit 1');
    cluster = await open();
    for (let count = 0; count < 10; count += 1)
      expect(await rejection(cluster.execEndpoint(target))).to.be.instanceOf(CredentialsUnavailableError);
    expect(await folder.runs()).to.equal(1);
  });

  const expiring = (token: string, inMs: number): string =>
    folder.answer({ token, expirationTimestamp: new Date(clock.now() + inMs).toISOString() });

  it('runs again before its credentials expire, and no call with valid ones waits', async () => {
    await folder.plugin(expiring('one', 600_000));
    cluster = await open();
    await cluster.getPod('p');
    await clock.advance(539_000);
    await cluster.getPod('p');
    expect(await folder.runs()).to.equal(1);
    // Hangs until the calls have completed.
    await folder.plugin(`until [ -e '${folder.path}/go' ]; do sleep 0.02; done\n${expiring('two', 600_000)}`);
    await clock.advance(2_000);
    for (let count = 0; count < 5; count += 1) await cluster.getPod('p');
    expect(new Set(bearers())).to.deep.equal(new Set(['Bearer one']));
    await writeFile(join(folder.path, 'go'), '');
    while ((await cluster.execEndpoint(target)).headers['Authorization'] !== 'Bearer two') await sleep(5);
    expect(await folder.runs()).to.equal(2);
  });

  it('runs again when its credentials have expired', async () => {
    await folder.plugin(expiring('one', 600_000));
    cluster = await open();
    await cluster.getPod('p');
    await folder.plugin(folder.answer({ token: 'two' }));
    accepted = 'two';
    await clock.advance(600_000);
    await cluster.getPod('p');
    expect(bearers()).to.deep.equal(['Bearer one', 'Bearer two']);
  });

  it('that prints an expired token runs for each call, as with kubectl, and the server decides', async () => {
    await folder.plugin(expiring('one', -1_000));
    cluster = await open();
    await cluster.getPod('p');
    await cluster.getPod('p');
    expect(await folder.runs()).to.equal(2);
  });

  it('that cannot run does not affect calls while its credentials are valid', async () => {
    await folder.plugin(expiring('one', 600_000));
    cluster = await open();
    await cluster.getPod('p');
    await rm(join(folder.path, 'plugin'));
    await clock.advance(599_000);
    for (let count = 0; count < 5; count += 1) await cluster.getPod('p');
    await clock.advance(2_000);
    expect(await rejection(cluster.getPod('p'))).to.be.instanceOf(CredentialsUnavailableError);
  });

  it('does not keep the process alive while no call waits for it', async () => {
    await folder.plugin(expiring('one', 600_000));
    cluster = await open();
    await cluster.getPod('p');
    await folder.plugin(`echo $$ >'${folder.path}/self'\nsleep 98765.1`);
    await clock.advance(590_000);
    // What is left of suites before may end meanwhile.
    const count = (kind: string): number =>
      process.getActiveResourcesInfo().filter((name) => name.includes(kind)).length;
    const kinds = ['Process', 'Pipe', 'Timeout'];
    const before = kinds.map(count);
    await cluster.execEndpoint(target);
    for (const [index, kind] of kinds.entries()) expect(count(kind), kind).to.be.at.most(before[index]!);
    while (!existsSync(join(folder.path, 'self')) || (await readFile(join(folder.path, 'self'), 'utf8')) === '')
      await sleep(5);
    process.kill(-Number(await readFile(join(folder.path, 'self'), 'utf8')), 'SIGKILL');
  });
});

/** Ignores a process that has ended but is still in the process table. */
function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
