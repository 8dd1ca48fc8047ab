import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { UnauthorizedError } from '../../../src/errors/cluster.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import { answerJson, failure, ScriptedApiServer } from '../../support/api-server.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { newPod, pod } from './scripted-responses.ts';

describe('ClientNodeCluster, its configuration and credentials', () => {
  let server: ScriptedApiServer;
  let clock: VirtualClock;
  let cluster: ClientNodeCluster;

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    clock = new VirtualClock();
    cluster = await ClientNodeCluster.fromConfig({ kubeConfig: server.kubeConfig(), clock });
  });

  afterEach(async () => {
    await server.close();
  });

  describe('the configuration', () => {
    let folder: string;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kube-config-'));
    });

    afterEach(async () => {
      await rm(folder, { recursive: true });
    });

    const refusal = async (content: string): Promise<string> => {
      const path = join(folder, 'config');
      await writeFile(path, content);
      try {
        await ClientNodeCluster.fromConfig({ kubeConfig: path });
      } catch (error) {
        expect(error).to.be.instanceOf(InvalidSpecError).and.include({ field: 'kubeConfig' });
        expect((error as Error).message).to.contain(path);
        return (error as Error).message;
      }
      throw new Error('was accepted');
    };

    it('is rejected if the file does not exist', async () => {
      const path = join(folder, 'none');
      const error = await rejection(ClientNodeCluster.fromConfig({ kubeConfig: path }));
      expect(error).to.be.instanceOf(InvalidSpecError).and.include({ field: 'kubeConfig' });
      expect(error.message).to.contain(path);
    });

    it('is rejected if the file is not a kubeconfig', async () => {
      expect(await refusal('{{{')).to.contain('cannot be read');
      expect(await refusal('')).to.contain('is empty');
      expect(await refusal('clusters: []\ncontexts: []\nusers: []\n')).to.contain('has no current context');
    });

    it('is rejected if the context is incomplete', async () => {
      expect(await refusal('current-context: a\ncontexts: []\n')).to.contain('has no context "a"');
      const context = 'current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n';
      expect(await refusal(context)).to.contain('has no cluster "c"');
      expect(await refusal(`${context}clusters: [{name: c, cluster: {server: "https://h"}}]\n`)).to.contain(
        'has no user "u"',
      );
      const user = `${context}users: [{name: u, user: {}}]\n`;
      expect(await refusal(`${user}clusters: [{name: c, cluster: {server: "h:6443"}}]\n`)).to.contain(
        'not an http(s) URL',
      );
      expect(await refusal(`${user}clusters: [{name: c, cluster: {server: "http://h"}}]\n`)).to.contain('without TLS');
    });

    it('provides the namespace, which the option overrides', async () => {
      const open = (namespace: string): Promise<ClientNodeCluster> =>
        ClientNodeCluster.fromConfig({ kubeConfig: server.kubeConfig(), namespace });
      expect(cluster.namespace).to.equal('ci');
      expect((await open('other')).namespace).to.equal('other');
      expect(await rejection(open('No/Such')))
        .to.be.instanceOf(InvalidSpecError)
        .and.include({ field: 'namespace' });
    });
  });

  describe('credentials', () => {
    let folder: string;
    let path: string;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kube-config-'));
      path = join(folder, 'config');
      await write('old');
      cluster = await ClientNodeCluster.fromConfig({ kubeConfig: path, clock });
    });

    afterEach(async () => {
      await rm(folder, { recursive: true });
    });

    async function write(token: string): Promise<void> {
      const clusters = [{ name: 'c', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }];
      const contexts = [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'ci' } }];
      await writeFile(
        path,
        JSON.stringify({ 'current-context': 'x', clusters, contexts, users: [{ name: 'u', user: { token } }] }),
      );
    }

    const onlyNew = (): void => {
      server.rest = (request, response) =>
        request.headers.authorization === 'Bearer new'
          ? answerJson(response, 200, pod)
          : answerJson(response, 401, failure(401, 'Unauthorized', 'Unauthorized'));
    };

    it('are read again once after a 401, and the call is retried', async () => {
      onlyNew();
      await write('new');
      expect((await cluster.createPod(newPod)).metadata?.name).to.equal('p');
      expect(server.headers.map(({ authorization }) => authorization)).to.deep.equal(['Bearer old', 'Bearer new']);
    });

    it('that stay invalid reject the call after one more attempt', async () => {
      onlyNew();
      expect(await rejection(cluster.getPod('p'))).to.be.instanceOf(UnauthorizedError);
      expect(server.requests).to.have.length(2);
    });

    it('that cannot be read leave the old ones in use', async () => {
      onlyNew();
      await writeFile(path, '{{{');
      expect(await rejection(cluster.getPod('p'))).to.be.instanceOf(UnauthorizedError);
    });

    it('are read again for a watch as well', async () => {
      server.rest = (request, response) => {
        if (request.headers.authorization === 'Bearer new')
          response.writeHead(200).end(`${JSON.stringify({ type: 'ADDED', object: pod })}\n`);
        else answerJson(response, 401, failure(401, 'Unauthorized', 'Unauthorized'));
      };
      await write('new');
      const changes = [];
      for await (const change of cluster.watchPods('', '1')) changes.push(change.type);
      expect(changes).to.deep.equal(['added']);
    });

    it('are read again for an exec that the server has refused', async () => {
      const target = { podName: 'p', containerName: 'main', command: ['a', 'b'] };
      const refused = await cluster.execEndpoint(target);
      await write('new');
      expect((await cluster.execEndpoint(target)).headers).to.deep.equal({ Authorization: 'Bearer old' });
      const endpoint = await cluster.execEndpoint(target, { refused });
      expect(endpoint.headers).to.deep.equal({ Authorization: 'Bearer new' });
      expect(endpoint.url).to.equal(
        `${server.url.replace('http', 'ws')}/api/v1/namespaces/ci/pods/p/exec?command=a&command=b&container=main&stdin=true&stdout=true&stderr=true&tty=false`,
      );
      expect(endpoint.tls.rejectUnauthorized).to.equal(false);
      expect(endpoint.proxy).to.equal(undefined);
    });

    it('may be missing: the certificate of the server is verified as with a user', async () => {
      const cluster = { server: 'https://127.0.0.1:1', 'certificate-authority-data': 'Q0E=', 'tls-server-name': 'api' };
      const contexts = [{ name: 'x', context: { cluster: 'c' } }];
      await writeFile(path, JSON.stringify({ 'current-context': 'x', clusters: [{ name: 'c', cluster }], contexts }));
      const { headers, tls } = await (await ClientNodeCluster.fromConfig({ kubeConfig: path })).execEndpoint({
        podName: 'p',
        containerName: 'c',
        command: [],
      });
      expect(headers).to.deep.equal({});
      expect(tls).to.deep.equal({ ca: Buffer.from('CA'), servername: 'api' });
    });

    it('may come from an auth provider of client-node', async () => {
      const config = { 'access-token': 'of-gcp', expiry: '2999-01-01T00:00:00Z' };
      const clusters = [{ name: 'c', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }];
      const users = [{ name: 'u', user: { 'auth-provider': { name: 'gcp', config } } }];
      const contexts = [{ name: 'x', context: { cluster: 'c', user: 'u' } }];
      await writeFile(path, JSON.stringify({ 'current-context': 'x', clusters, contexts, users }));
      cluster = await ClientNodeCluster.fromConfig({ kubeConfig: path });
      const { headers, tls } = await cluster.execEndpoint({ podName: 'p', containerName: 'c', command: [] });
      expect(headers).to.deep.equal({ Authorization: 'Bearer of-gcp' });
      expect(tls).to.deep.equal({ rejectUnauthorized: false });
    });

    it('may come from an authenticator that the host has added to its configuration', async () => {
      const kubeConfig = server.kubeConfig();
      kubeConfig.users = kubeConfig.users.map(({ name }) => ({ name, authProvider: { name: 'own', config: {} } }));
      kubeConfig.addAuthenticator({
        isAuthProvider: (user) => user.authProvider.name === 'own',
        applyAuthentication: async (_user, { headers }) =>
          void Object.assign(headers!, { Authorization: 'Bearer own' }),
      });
      cluster = await ClientNodeCluster.fromConfig({ kubeConfig });
      const { headers } = await cluster.execEndpoint({ podName: 'p', containerName: 'c', command: [] });
      expect(headers).to.deep.equal({ Authorization: 'Bearer own' });
    });

    it('may be a name and a password, with a proxy', async () => {
      const kubeConfig = server.kubeConfig({ username: 'me', password: 'secret' });
      const [entry] = kubeConfig.clusters;
      kubeConfig.clusters = [{ ...entry!, proxyUrl: 'http://127.0.0.1:3128' }];
      cluster = await ClientNodeCluster.fromConfig({ kubeConfig });
      const endpoint = await cluster.execEndpoint({ podName: 'p', containerName: 'c', command: [] });
      expect(endpoint.headers).to.deep.equal({ Authorization: `Basic ${Buffer.from('me:secret').toString('base64')}` });
      expect(endpoint.proxy).to.equal('http://127.0.0.1:3128');
    });
  });
});
