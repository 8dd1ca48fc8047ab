import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { createCertificates } from '../../../src/embedded/server/certificates.ts';
import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { openExec } from '../../../src/exec/open-exec.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import { answerJson, failure, ScriptedApiServer } from '../../support/api-server.ts';
import { rejection } from '../../support/rejection.ts';
import { TestProxy } from '../../support/test-proxy.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const run = promisify(execFile);
const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', uid: 'u' } };
const target = { podName: 'p', containerName: 'main', command: ['true'] };
const plugin = { apiVersion: 'client.authentication.k8s.io/v1', interactiveMode: 'Never' };

/** The `kubectl` in `PATH`. If it exists, the rows are compared with it. */
const kubectl = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'kubectl'))
  .find((path) => existsSync(path));

const documented = readFileSync(new URL('../../../docs/compatibility.md', import.meta.url), 'utf8');
/** The first cell of each row of the table of rules. */
const rows = [...documented.matchAll(/^\| (.+?) \|.*\| (?:as kubectl|library only) \|$/gm)].map(
  (match) => match[1] ?? '',
);

describe('a kubeconfig, by the rules of kubectl', () => {
  const certificates = createCertificates(new Date());
  let server: ScriptedApiServer;
  let folder: string;
  let clock: VirtualClock;
  /** The subjects of the client certificates, in order. */
  let clients: (string | undefined)[];
  const tested: string[] = [];

  before(() => {
    if (kubectl === undefined) console.log('      not compared with kubectl: not found in PATH');
  });

  beforeEach(async () => {
    const { certificate: cert, privateKey: key } = certificates.server;
    server = await ScriptedApiServer.start({
      cert,
      key,
      ca: certificates.authority,
      requestCert: true,
      rejectUnauthorized: false,
    });
    folder = await mkdtemp(join(tmpdir(), 'kw-rules-'));
    clock = new VirtualClock();
    clients = [];
    server.rest = (request, response) => {
      const subject = (request.socket as TLSSocket).getPeerCertificate().subject;
      clients.push((subject as { readonly CN?: string } | undefined)?.CN);
      if (request.url?.includes('watch=true') === true) response.writeHead(200).end();
      else if (request.url?.includes('/log') === true) response.writeHead(200).end('2030-01-01T00:00:00Z line\n');
      else answerJson(response, 200, pod);
    };
  });

  afterEach(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  /** A row of the table in docs/compatibility.md. */
  function row(title: string, test: Mocha.AsyncFunc): void {
    tested.push(title);
    it(title, test);
  }

  async function write(path: string, content: string, mode = 0o644): Promise<string> {
    const whole = join(folder, path);
    await mkdir(dirname(whole), { recursive: true });
    await writeFile(whole, content, { mode });
    return whole;
  }

  /** A program that prints a token and stores its `KUBERNETES_EXEC_INFO`. */
  const pluginPrinting = (token: string): string =>
    `#!/bin/sh\nprintf %s "$KUBERNETES_EXEC_INFO" >'${folder}/info'\n` +
    `echo '{"kind":"ExecCredential","apiVersion":"${plugin.apiVersion}","status":{"token":"'"\${TOKEN:-${token}}"'"}}'\n`;

  const cluster = (changes: object = {}): object => ({
    name: 'c',
    cluster: { server: server.url, 'insecure-skip-tls-verify': true, ...changes },
  });
  const context = { name: 'x', context: { cluster: 'c', user: 'u', namespace: 'ci' } };

  /** A complete kubeconfig for a user. */
  const configFor = (user: object, changes: object = {}): string =>
    JSON.stringify({
      'current-context': 'x',
      clusters: [cluster(changes)],
      contexts: [context],
      users: [{ name: 'u', user }],
    });

  const environmentOf = (more: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
    PATH: process.env['PATH'],
    HOME: folder,
    ...more,
  });

  const open = (environment: NodeJS.ProcessEnv): Promise<ClientNodeCluster> =>
    ClientNodeCluster.fromConfig({ environment, clock });

  /** Resolves with the message of the refusal. */
  async function refused(environment: NodeJS.ProcessEnv, words = ''): Promise<string> {
    const error = await rejection(open(environment));
    expect(error).to.be.instanceOf(InvalidSpecError).and.include({ field: 'kubeConfig' });
    expect(error.message).to.contain(words);
    return error.message;
  }

  async function byKubectl(environment: NodeJS.ProcessEnv): Promise<void> {
    if (kubectl !== undefined)
      await run(kubectl, ['get', '--raw', '/api/v1/namespaces/ci/pods/p'], { env: environment, timeout: 20_000 });
  }

  const bearers = (): (string | undefined)[] => server.headers.map(({ authorization }) => authorization);

  /** Excludes the version request that some builds of kubectl send first. */
  const podRequests = (): string[] => server.requests.filter((request) => request.includes('/pods'));

  /** Expects that the library and kubectl send this header. */
  async function bothSend(more: Readonly<Record<string, string>>, authorization: string | undefined): Promise<void> {
    const environment = environmentOf(more);
    await (await open(environment)).getPod('p');
    await byKubectl(environment);
    expect(new Set(bearers())).to.deep.equal(new Set([authorization]));
    expect(podRequests()).to.have.length(kubectl === undefined ? 1 : 2);
  }

  row('`tokenFile` is trimmed and has precedence over `token`', async () => {
    await write('secrets/token', '\n  from-file \n');
    await bothSend(
      { KUBECONFIG: await write('config', configFor({ tokenFile: 'secrets/token', token: 'other' })) },
      'Bearer from-file',
    );
  });

  row('`tokenFile` is read again while the library runs', async () => {
    const path = await write('token', 'one');
    const library = await open(environmentOf({ KUBECONFIG: await write('config', configFor({ tokenFile: 'token' })) }));
    await library.getPod('p');
    await writeFile(path, 'two\n');
    await clock.advance(10_000);
    await library.getPod('p');
    while ((await library.execEndpoint(target)).headers['Authorization'] !== 'Bearer two') await sleep(5);
    await writeFile(path, 'three\n');
    server.rest = (request, response) =>
      request.headers.authorization === 'Bearer three'
        ? answerJson(response, 200, pod)
        : answerJson(response, 401, failure(401, 'Unauthorized', 'no'));
    expect((await library.getPod('p'))?.metadata?.name).to.equal('p');
  });

  row('an empty or missing `tokenFile` is an error, unless `token` is set', async () => {
    const missing = await open(
      environmentOf({ KUBECONFIG: await write('missing', configFor({ tokenFile: 'no-token' })) }),
    );
    expect(await rejection(missing.execEndpoint(target))).to.include({
      code: 'KW_ERR_CREDENTIALS_UNAVAILABLE',
      source: 'user u',
    });
    await write('empty-token', ' \n');
    const empty = await open(
      environmentOf({ KUBECONFIG: await write('empty', configFor({ tokenFile: 'empty-token' })) }),
    );
    expect((await rejection(empty.execEndpoint(target))).message).to.contain('empty-token is empty');
    await bothSend(
      { KUBECONFIG: await write('config', configFor({ tokenFile: 'no-token', token: 'other' })) },
      'Bearer other',
    );
  });

  row('`KUBECONFIG` is a list; missing and empty files are ignored', async () => {
    const files = [
      join(folder, 'missing'),
      await write('empty', ''),
      await write('comments', '# nothing\n---\n'),
      await write(
        'one/config',
        JSON.stringify({ users: [{ name: 'u', user: { tokenFile: 'token' } }], 'current-context': 'x' }),
      ),
      '',
      await write('two/config', configFor({ token: 'second' })),
    ];
    await write('one/token', 'first');
    await bothSend({ KUBECONFIG: files.join(delimiter) }, 'Bearer first');
  });

  row('`KUBECONFIG` with an invalid file is an error', async () => {
    const broken = await write('broken', '{{{');
    const environment = environmentOf({
      KUBECONFIG: [await write('config', configFor({ token: 't' })), broken].join(delimiter),
    });
    await refused(environment, broken);
    if (kubectl !== undefined) await rejection(byKubectl(environment));
  });

  row('without `KUBECONFIG`, `~/.kube/config` is read', async () => {
    await write('.kube/config', configFor({ token: 'home' }));
    await bothSend({}, 'Bearer home');
  });

  row('paths are relative to their file', async () => {
    await write('kube/pki/ca.crt', certificates.authority);
    await write('kube/pki/me.crt', certificates.client.certificate);
    await write('kube/pki/me.key', certificates.client.privateKey);
    const user = { 'client-certificate': 'pki/me.crt', 'client-key': 'pki/me.key' };
    const config = configFor(user, { 'insecure-skip-tls-verify': false, 'certificate-authority': 'pki/ca.crt' });
    await bothSend({ KUBECONFIG: await write('kube/config', config) }, undefined);
    expect(new Set(clients)).to.deep.equal(new Set(['kubernetes-admin']));
  });

  row('a plug-in command with a slash is relative to the kubeconfig', async () => {
    await write('kube/bin/plugin', pluginPrinting('relative'), 0o755);
    await bothSend(
      { KUBECONFIG: await write('kube/config', configFor({ exec: { ...plugin, command: 'bin/plugin' } })) },
      'Bearer relative',
    );
  });

  row('a plug-in command without a slash is looked up in `PATH`', async () => {
    await write('tools/kw-plugin', pluginPrinting('by-path'), 0o755);
    const config = await write('config', configFor({ exec: { ...plugin, command: 'kw-plugin' } }));
    await bothSend({ KUBECONFIG: config, PATH: `${folder}/tools:${process.env['PATH'] ?? ''}` }, 'Bearer by-path');
  });

  row('a plug-in gets the environment, overridden by `env`', async () => {
    await write('plugin', pluginPrinting('default'), 0o755);
    const exec = { ...plugin, command: './plugin', env: [{ name: 'TOKEN', value: 'by-env' }] };
    await bothSend({ KUBECONFIG: await write('config', configFor({ exec })), TOKEN: 'by-process' }, 'Bearer by-env');
  });

  /** Returns what the library passes to a plug-in. Expects that kubectl passes the same. */
  async function infoFor(exec: object, changes: object = {}): Promise<unknown> {
    await write('plugin', pluginPrinting('t'), 0o755);
    const environment = environmentOf({
      KUBECONFIG: await write('config', configFor({ exec: { ...plugin, command: './plugin', ...exec } }, changes)),
    });
    await (await open(environment)).getPod('p');
    const info: unknown = JSON.parse(await readFile(join(folder, 'info'), 'utf8'));
    await rm(join(folder, 'info'));
    await byKubectl(environment);
    if (kubectl !== undefined) expect(info).to.deep.equal(JSON.parse(await readFile(join(folder, 'info'), 'utf8')));
    return info;
  }

  row('`KUBERNETES_EXEC_INFO` contains the version and the absence of a terminal', async () => {
    expect(await infoFor({})).to.deep.equal({
      kind: 'ExecCredential',
      apiVersion: plugin.apiVersion,
      spec: { interactive: false },
    });
  });

  row('`KUBERNETES_EXEC_INFO` describes the cluster with `provideClusterInfo`', async () => {
    const ca = await write('ca.crt', certificates.authority);
    const extensions = [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'me' } }];
    const changes = {
      'insecure-skip-tls-verify': false,
      'certificate-authority': ca,
      'tls-server-name': 'localhost',
      extensions,
    };
    expect(await infoFor({ provideClusterInfo: true }, changes)).to.deep.equal({
      kind: 'ExecCredential',
      apiVersion: plugin.apiVersion,
      spec: {
        cluster: {
          server: server.url,
          'tls-server-name': 'localhost',
          'certificate-authority-data': Buffer.from(certificates.authority).toString('base64'),
          config: { audience: 'me' },
        },
        interactive: false,
      },
    });
  });

  row('a token has precedence over a plug-in, which is not run', async () => {
    await write('plugin', pluginPrinting('by-plugin'), 0o755);
    await bothSend(
      { KUBECONFIG: await write('config', configFor({ token: 'given', exec: { ...plugin, command: './plugin' } })) },
      'Bearer given',
    );
    expect(existsSync(join(folder, 'info'))).to.equal(false);
  });

  for (const [title, user, words] of [
    [
      'a token with a name and a password is refused',
      { token: 't', username: 'n', password: 'p' },
      'both a token and a name',
    ],
    ['a plug-in without a command is refused', { exec: plugin }, 'no command'],
    [
      'a plug-in without `apiVersion`, or with an unknown one, is refused',
      { exec: { ...plugin, command: 'x', apiVersion: 'client.authentication.k8s.io/v9' } },
      'v9',
    ],
    [
      'a plug-in with `interactiveMode: Always` is refused: there is no terminal',
      { exec: { ...plugin, command: 'true', interactiveMode: 'Always' } },
      'terminal',
    ],
    [
      'the auth providers `gcp` and `azure` are refused if they run a program',
      { 'auth-provider': { name: 'gcp', config: { 'cmd-path': 'gcloud' } } },
      'gcp',
    ],
  ] as const) {
    row(title, async () => {
      const environment = environmentOf({ KUBECONFIG: await write('config', configFor(user)) });
      await refused(environment, words);
      if (kubectl !== undefined) await rejection(byKubectl(environment));
      expect(server.requests).to.deep.equal([]);
    });
  }

  row('without a configuration, in a pod: its service account', async () => {
    const serviceAccount = join(folder, 'serviceaccount');
    await write('serviceaccount/token', 'of-the-pod\n');
    await write('serviceaccount/ca.crt', certificates.authority);
    await write('serviceaccount/namespace', 'build\n');
    const { hostname, port } = new URL(server.url);
    const environment = environmentOf({ KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port });
    const library = await ClientNodeCluster.fromConfig({ environment, serviceAccount });
    await library.getPod('p');
    expect([library.namespace, ...bearers()]).to.deep.equal(['build', 'Bearer of-the-pod']);
  });

  row('without a configuration: an error with the places that were searched', async () => {
    const message = (more: Readonly<Record<string, string>>): Promise<string> => refused(environmentOf(more));
    const home = await message({});
    for (const words of [
      'KUBECONFIG is not set',
      join(folder, '.kube', 'config'),
      'does not exist',
      'KUBERNETES_SERVICE_HOST',
      'kubeConfig',
    ])
      expect(home).to.contain(words);
    const listed = await message({ KUBECONFIG: [join(folder, 'a'), await write('b', '')].join(delimiter) });
    expect(listed)
      .to.contain(`${join(folder, 'a')} does not exist`)
      .and.to.contain(`${join(folder, 'b')} is empty`);
  });

  describe('and proxies', () => {
    let proxy: TestProxy;
    let url: string;

    beforeEach(async () => {
      const { port } = new URL(server.url);
      proxy = await TestProxy.start(Number(port));
      url = `https://api.example:${port}`;
    });

    afterEach(async () => {
      await proxy.close();
    });

    /** Expects that every connection of the library, and kubectl's request, uses the proxy. */
    async function allThrough(more: Readonly<Record<string, string>>, changes: object = {}): Promise<void> {
      const environment = environmentOf({
        KUBECONFIG: await write('config', configFor({ token: 't' }, { server: url, ...changes })),
        ...more,
      });
      const library = await open(environment);
      await library.getPod('p');
      for await (const _change of library.watchPods('', '1'));
      for await (const _line of library.readLog({ podName: 'p', containerName: 'main', follow: false }));
      (await openExec(await library.execEndpoint(target))).close();
      await byKubectl(environment);
      expect(podRequests()).to.have.length(kubectl === undefined ? 4 : 5);
      expect(new Set(proxy.targets)).to.deep.equal(new Set([new URL(url).host]));
      expect(server.connections).to.be.at.most(proxy.targets.length);
    }

    row('`HTTPS_PROXY` applies to API calls, watches, logs and execs', async () => {
      await allThrough({ HTTPS_PROXY: `http://${proxy.authority}`, HTTP_PROXY: 'http://127.0.0.1:9' });
    });

    row('`https_proxy`, and a proxy without a scheme', async () => {
      await allThrough({ https_proxy: proxy.authority });
    });

    row('a name and a password in the URL of the proxy', async () => {
      await allThrough({ HTTPS_PROXY: `http://me:secret@${proxy.authority}` });
      const basic = Buffer.from('me:secret').toString('base64');
      for (const head of proxy.heads)
        expect(head.toLowerCase()).to.contain(`proxy-authorization: basic ${basic}`.toLowerCase());
    });

    row('a SOCKS 5 proxy', async () => {
      await allThrough({ HTTPS_PROXY: `socks5://${proxy.authority}` });
    });

    row('`proxy-url` of the kubeconfig has precedence over the environment', async () => {
      await allThrough({ HTTPS_PROXY: 'http://127.0.0.1:9' }, { 'proxy-url': `http://${proxy.authority}` });
      const exempt = await open(environmentOf({ KUBECONFIG: join(folder, 'config'), NO_PROXY: '*' }));
      expect((await exempt.execEndpoint(target)).proxy).to.equal(`http://${proxy.authority}`);
    });

    row('a server on this machine is reached without the proxy of the environment', async () => {
      await bothSend(
        { KUBECONFIG: await write('config', configFor({ token: 't' })), HTTPS_PROXY: `http://${proxy.authority}` },
        'Bearer t',
      );
      expect(proxy.targets).to.deep.equal([]);
    });

    row('`NO_PROXY` exempts domains and addresses, each with or without a port, and CIDR ranges', async () => {
      const environment = environmentOf({
        KUBECONFIG: await write('config', configFor({ token: 't' }, { server: url })),
        HTTPS_PROXY: `http://${proxy.authority}`,
        NO_PROXY: 'other, example',
      });
      const endpoint = await (await open(environment)).execEndpoint(target);
      expect(endpoint.proxy).to.equal(undefined);
      // This host does not exist.
      if (kubectl !== undefined) expect((await rejection(byKubectl(environment))).message).to.contain('api.example');
      expect(proxy.targets).to.deep.equal([]);
    });
  });

  it('has a test for each row of the table in docs/compatibility.md, and for no other', () => {
    expect([...tested].sort()).to.deep.equal([...rows].sort());
  });
});
