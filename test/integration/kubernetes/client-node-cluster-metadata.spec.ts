import { expect } from 'chai';

import { ApiUnavailableError, ForbiddenError } from '../../../src/errors/cluster.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import { answerJson, ScriptedApiServer } from '../../support/api-server.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { fails, gives, type Respond, respondInOrder, settled } from './scripted-responses.ts';

const time = '2030-01-01T00:00:00Z';
const metadata = { name: 'p', uid: 'u', creationTimestamp: time, managedFields: [{}] };
const page = (items: readonly object[], more?: string): Respond =>
  gives({ metadata: { resourceVersion: '5', ...(more === undefined ? {} : { continue: more }) }, items });

describe('ClientNodeCluster: lists of metadata', () => {
  let server: ScriptedApiServer;
  let clock: VirtualClock;
  let cluster: ClientNodeCluster;

  const queries = () => server.requests.map((request) => new URL(request.slice(4), server.url).searchParams);

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    clock = new VirtualClock();
    cluster = await ClientNodeCluster.fromConfig({ kubeConfig: server.kubeConfig(), clock });
  });

  afterEach(async () => {
    await server.close();
  });

  it('have all pods of all pages, of a version that is not older than the call', async () => {
    respondInOrder(server, [page([{ metadata }], 'c'), page([{ metadata: { name: 'q', uid: 'v' } }])]);
    expect(await cluster.listPodMetadata()).to.deep.equal([
      { name: 'p', uid: 'u', creationTimestamp: new Date(time) },
      { name: 'q', uid: 'v' },
    ]);
    expect(queries().map((query) => Object.fromEntries(query))).to.deep.equal([
      { limit: '500' },
      { limit: '500', continue: 'c' },
    ]);
    expect(server.headers[0]?.accept).to.match(/^application\/json;as=PartialObjectMetadataList;/);
  });

  it('have the pods that a selector matches', async () => {
    respondInOrder(server, [page([{ metadata }])]);
    await cluster.listPodMetadata({ labelSelector: 'a=b' });
    expect(queries()[0]?.get('labelSelector')).to.equal('a=b');
  });

  for (const [what, item] of Object.entries({
    'an item without metadata': {},
    'an item without a uid': { metadata: { name: 'p' } },
    'an item without a name': { metadata: { uid: 'u' } },
    'an item that is not an object': null as unknown as object,
  }))
    it(`reject rather than leave out ${what}`, async () => {
      respondInOrder(server, [page([{ metadata }, item])]);
      const call = settled(clock, cluster.listPodMetadata());
      expect(await rejection(call)).to.be.instanceOf(ApiUnavailableError);
    });

  it('reject rather than return the first pages', async () => {
    respondInOrder(server, [page([{ metadata }], 'c'), fails(500, 'InternalError')]);
    expect(await rejection(settled(clock, cluster.listPodMetadata()))).to.be.instanceOf(ApiUnavailableError);
  });

  it('of config maps have the time of the API server', async () => {
    server.rest = (_request, response) =>
      answerJson(response, 200, { metadata: {}, items: [{ metadata }] }, { date: 'Wed, 02 Jan 2030 00:00:00 GMT' });
    expect(await cluster.listConfigMaps('a=b')).to.deep.equal({
      configMaps: [{ name: 'p', uid: 'u', creationTimestamp: new Date(time) }],
      at: new Date('2030-01-02T00:00:00Z'),
    });
    server.rest = (_request, response) =>
      answerJson(response, 200, { metadata: {}, items: [] }, { date: 'not a date' });
    expect(await cluster.listConfigMaps('a=b')).to.deep.equal({ configMaps: [], at: undefined });
  });

  it('of config maps are undefined without the permission', async () => {
    respondInOrder(server, [fails(403, 'Forbidden')]);
    expect(await cluster.listConfigMaps('a=b')).to.equal(undefined);
  });

  describe('deleteConfigMap', () => {
    it('deletes only the config map with the uid', async () => {
      let sent = '';
      server.rest = (_request, response, body) => {
        sent = body;
        answerJson(response, 200, { metadata });
      };
      expect(await cluster.deleteConfigMap('c', { uid: 'u' })).to.equal(true);
      expect(server.requests).to.deep.equal(['DELETE /api/v1/namespaces/ci/configmaps/c']);
      expect(JSON.parse(sent)).to.deep.equal({ preconditions: { uid: 'u' } });
    });

    it('returns false if it does not exist, or another one has its name', async () => {
      respondInOrder(server, [fails(404, 'NotFound'), fails(409, 'Conflict')]);
      expect(await cluster.deleteConfigMap('c', { uid: 'u' })).to.equal(false);
      expect(await cluster.deleteConfigMap('c', { uid: 'u' })).to.equal(false);
    });

    it('rejects without the permission', async () => {
      respondInOrder(server, [fails(403, 'Forbidden')]);
      expect(await rejection(cluster.deleteConfigMap('c', { uid: 'u' }))).to.be.instanceOf(ForbiddenError);
    });
  });
});
