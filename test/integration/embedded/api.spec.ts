import { KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';
import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { ClusterClient } from './cluster-client.ts';

const podsPath = '/api/v1/namespaces/default/pods';
const mapsPath = '/api/v1/namespaces/default/configmaps';

describe('API server of the embedded cluster', () => {
  let cluster: EmbeddedCluster;
  let client: ClusterClient;

  before(async () => {
    cluster = await EmbeddedCluster.start({ isolation: 'mapped', namespace: 'mine' });
    client = new ClusterClient(cluster);
  });
  after(() => cluster.close());

  const configMap = (name: string, more: object = {}) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    ...more,
  });
  const create = (body: unknown, path = mapsPath) => client.raw(path, { method: 'POST', body });

  describe('responds to invalid requests as the real server does', () => {
    it('401 without the token', async () => {
      const { code, body, headers } = await client.raw(podsPath, { anonymous: true });
      expect(code).to.equal(401);
      expect(headers['content-type']).to.equal('application/json');
      expect(body).to.deep.equal({
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message: 'Unauthorized',
        reason: 'Unauthorized',
        code: 401,
      });
    });

    it('404 for an object, with its name', async () => {
      const { code, body } = await client.raw(`${podsPath}/none`);
      expect(code).to.equal(404);
      expect(body).to.deep.include({
        message: 'pods "none" not found',
        reason: 'NotFound',
        details: { name: 'none', kind: 'pods' },
        code: 404,
      });
    });

    it('404 for an unknown kind, and for a create in an unknown namespace', async () => {
      expect((await client.raw('/api/v1/nothings')).body.message).to.equal(
        'the server could not find the requested resource',
      );
      const { code, body } = await create(configMap('a'), '/api/v1/namespaces/nonono/configmaps');
      expect([code, body.message]).to.deep.equal([404, 'namespaces "nonono" not found']);
    });

    it('405 for a method that a path does not support', async () => {
      expect((await client.raw(`${podsPath}/a`, { method: 'POST', body: {} })).code).to.equal(405);
      expect((await client.raw(podsPath, { method: 'PUT', body: {} })).code).to.equal(405);
    });

    it('406 for an unsupported representation', async () => {
      expect((await client.raw(podsPath, { headers: { accept: 'text/html' } })).code).to.equal(406);
    });

    it('409 for a duplicate name and for a precondition that does not hold', async () => {
      await create(configMap('taken'));
      const again = await create(configMap('taken'));
      expect([again.code, again.body.reason, again.body.message]).to.deep.equal([
        409,
        'AlreadyExists',
        'configmaps "taken" already exists',
      ]);
      const wrongUid = await client.raw(`${mapsPath}/taken`, {
        method: 'DELETE',
        body: { preconditions: { uid: 'x' } },
      });
      expect([wrongUid.code, wrongUid.body.reason]).to.deep.equal([409, 'Conflict']);
    });

    it('409 for an update of an old version', async () => {
      const { body } = await create(configMap('versions'));
      await client.raw(`${mapsPath}/versions`, { method: 'PUT', body: { ...body, data: { a: '1' } } });
      const stale = await client.raw(`${mapsPath}/versions`, { method: 'PUT', body: { ...body, data: { a: '2' } } });
      expect([stale.code, stale.body.reason]).to.deep.equal([409, 'Conflict']);
      expect(stale.body.message).to.include('the object has been modified');
    });

    it('415 for a body or a patch in an unknown format', async () => {
      await create(configMap('patched'));
      expect(
        (await client.raw(mapsPath, { method: 'POST', body: 'x', headers: { 'content-type': 'text/foo' } })).code,
      ).to.equal(415);
      expect(
        (
          await client.raw(`${mapsPath}/patched`, {
            method: 'PATCH',
            body: '{}',
            headers: { 'content-type': 'text/plain' },
          })
        ).code,
      ).to.equal(415);
    });

    it('400 for a body that is not JSON, another kind, another namespace or an unknown field selector', async () => {
      expect((await client.raw(mapsPath, { method: 'POST', body: '{' })).code).to.equal(400);
      expect((await create({ ...configMap('a'), kind: 'Secret' })).code).to.equal(400);
      expect((await create({ ...configMap('a'), metadata: { name: 'a', namespace: 'other' } })).body.message).to.equal(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
      expect((await client.raw(`${podsPath}?fieldSelector=spec.foo%3Db`)).body.message).to.equal(
        'field label not supported: spec.foo',
      );
    });

    it('422 with every fault of a pod', async () => {
      const pod = {
        kind: 'Pod',
        apiVersion: 'v1',
        metadata: { name: 'b' },
        spec: {
          containers: [{ name: 'm', image: 'x', volumeMounts: [{ name: 'c', mountPath: '/c' }], env: [{ name: '' }] }],
        },
      };
      const { code, body } = await create(pod, podsPath);
      expect(code).to.equal(422);
      expect(body.message).to.equal(
        'Pod "b" is invalid: [spec.containers[0].env[0].name: Required value, spec.containers[0].volumeMounts[0].name: Not found: "c"]',
      );
      expect(body.details.causes[1]).to.deep.equal({
        reason: 'FieldValueNotFound',
        message: 'Not found: "c"',
        field: 'spec.containers[0].volumeMounts[0].name',
      });
    });

    it('422 for a change of an immutable object', async () => {
      const { body } = await create(configMap('fixed', { immutable: true, data: { a: 'x' } }));
      const changed = await client.raw(`${mapsPath}/fixed`, { method: 'PUT', body: { ...body, data: { a: 'y' } } });
      expect([changed.code, changed.body.message]).to.deep.equal([
        422,
        'ConfigMap "fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set',
      ]);
    });

    it('422 for invalid config keys and sizes', async () => {
      expect((await create(configMap('keys', { data: { 'a b': 'x' } }))).body.message).to.include(
        'data[a b]: Invalid value: "a b"',
      );
      expect(
        (await create(configMap('large', { binaryData: { a: Buffer.alloc(1024 * 1024 + 1).toString('base64') } }))).body
          .message,
      ).to.include('Too long');
      expect(
        (await create(configMap('fits', { binaryData: { a: Buffer.alloc(1024 * 1024).toString('base64') } }))).code,
      ).to.equal(201);
    });
  });

  it('accepts a client certificate of its authority instead of the token', async () => {
    const config = new KubeConfig();
    config.loadFromString(cluster.kubeconfig);
    config.setCurrentContext('embedded-certificate');
    const user = config.getCurrentUser();
    const { get } = await import('node:https');
    const decode = (text = '') => Buffer.from(text, 'base64');
    const options = {
      ca: decode(config.getCurrentCluster()?.caData),
      cert: decode(user?.certData),
      key: decode(user?.keyData),
      agent: false as const,
    };
    const code = await new Promise((resolve) =>
      get(`${cluster.url}/api/v1/nodes`, options, (response) => resolve(response.resume().statusCode)),
    );
    expect(code).to.equal(200);
  });

  it('has the namespaces, service accounts and the node from the beginning', async () => {
    expect((await client.api.listNamespace()).items.map(({ metadata }) => metadata?.name)).to.deep.equal([
      'default',
      'mine',
    ]);
    expect(
      (await client.api.readNamespacedServiceAccount({ namespace: 'mine', name: 'default' })).metadata?.name,
    ).to.equal('default');
    const [node] = (await client.api.listNode()).items;
    expect(node?.metadata?.labels?.['kubernetes.io/arch']).to.equal(process.arch === 'x64' ? 'amd64' : process.arch);
    expect(node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status).to.equal('True');
  });

  it('binds a claim at once, encodes stringData, and generates names from generateName', async () => {
    const claim = await client.api.createNamespacedPersistentVolumeClaim({
      namespace: 'mine',
      body: {
        metadata: { name: 'c' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      },
    });
    expect(claim.status?.phase).to.equal('Bound');
    const secret = await client.api.createNamespacedSecret({
      namespace: 'mine',
      body: { metadata: { generateName: 's-' }, stringData: { a: 'x' } },
    });
    expect(secret.data).to.deep.equal({ a: 'eA==' });
    expect(secret.metadata?.name).to.match(/^s-[a-z0-9]{5}$/);
  });

  it('applies patches in three formats, and keeps the version if nothing changes', async () => {
    await create(configMap('patched', { data: { a: '1' } }));
    const patch = (type: string, body: unknown) =>
      client.raw(`${mapsPath}/patched`, {
        method: 'PATCH',
        body,
        headers: { 'content-type': `application/${type}+json` },
      });
    const first = await patch('merge-patch', { data: { b: '2' }, metadata: { labels: { x: 'y' } } });
    expect(first.body.data).to.deep.equal({ a: '1', b: '2' });
    const second = await patch('json-patch', [{ op: 'remove', path: '/data/a' }]);
    expect(second.body.data).to.deep.equal({ b: '2' });
    const third = await patch('strategic-merge-patch', { metadata: { annotations: { n: 'v' } } });
    expect(third.body.metadata).to.deep.include({ labels: { x: 'y' }, annotations: { n: 'v' } });
    expect((await patch('merge-patch', { data: { b: '2' } })).body.metadata.resourceVersion).to.equal(
      third.body.metadata.resourceVersion,
    );
  });

  it('lists by label and field, and in pages', async () => {
    for (const name of ['l1', 'l2', 'l3'])
      await create({ ...configMap(name), metadata: { name, labels: { list: name === 'l3' ? 'no' : 'yes' } } });
    const names = async (query: string) =>
      (await client.raw(`${mapsPath}?${query}`)).body.items.map(
        (item: { metadata: { name: string } }) => item.metadata.name,
      );
    expect(await names('labelSelector=list%20in%20(yes)')).to.deep.equal(['l1', 'l2']);
    expect(await names('fieldSelector=metadata.name%3Dl3')).to.deep.equal(['l3']);
    const first = await client.raw(`${mapsPath}?labelSelector=list&limit=2`);
    expect(first.body.metadata.remainingItemCount).to.equal(1);
    expect(await names(`labelSelector=list&limit=2&continue=${first.body.metadata.continue}`)).to.deep.equal(['l3']);
    expect(first.body.items[0]).to.not.have.property('kind');
  });

  it('deletes by selector', async () => {
    for (const name of ['d1', 'd2']) await create({ ...configMap(name), metadata: { name, labels: { gone: 'yes' } } });
    const { code } = await client.raw(`${mapsPath}?labelSelector=gone%3Dyes`, { method: 'DELETE' });
    expect(code).to.equal(200);
    expect((await client.raw(`${mapsPath}?labelSelector=gone%3Dyes`)).body.items).to.deep.equal([]);
  });

  it('keeps an object with a finalizer until the finalizer is removed', async () => {
    await create({ ...configMap('held'), metadata: { name: 'held', finalizers: ['example.com/hold'] } });
    await client.raw(`${mapsPath}/held`, { method: 'DELETE' });
    expect((await client.raw(`${mapsPath}/held`)).body.metadata.deletionTimestamp).to.be.a('string');
    await client.raw(`${mapsPath}/held`, {
      method: 'PATCH',
      body: { metadata: { finalizers: null } },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
    expect((await client.raw(`${mapsPath}/held`)).code).to.equal(404);
  });

  it('empties a deleted namespace, then removes it', async () => {
    await client.api.createNamespace({ body: { metadata: { name: 'brief' } } });
    await create(configMap('a'), '/api/v1/namespaces/brief/configmaps');
    await client.api.deleteNamespace({ name: 'brief' });
    expect((await client.raw('/api/v1/namespaces/brief')).code).to.equal(404);
    expect((await client.raw('/api/v1/namespaces/brief/configmaps')).body.items).to.deep.equal([]);
  });

  it('does nothing on a dry run', async () => {
    const { code, body } = await create(configMap('dry'), `${mapsPath}?dryRun=All`);
    expect(code).to.equal(201);
    expect(Date.parse(body.metadata.creationTimestamp)).to.be.closeTo(Date.now(), 60_000);
    expect((await client.raw(`${mapsPath}/dry`)).code).to.equal(404);
    await create(configMap('there'), mapsPath);
    expect((await create(configMap('there'), `${mapsPath}?dryRun=All`)).code).to.equal(409);
  });

  it('stores network policies, with the default types', async () => {
    const path = '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies';
    const policy = (name: string, spec: object) => ({
      kind: 'NetworkPolicy',
      apiVersion: 'networking.k8s.io/v1',
      metadata: { name },
      spec,
    });
    const types = async (name: string, spec: object): Promise<unknown> =>
      ((await create(policy(name, spec), path)).body as { spec?: { policyTypes?: unknown } }).spec?.policyTypes;
    expect(await types('in', {})).to.deep.equal(['Ingress']);
    expect(await types('both', { egress: [] })).to.deep.equal(['Ingress', 'Egress']);
    expect((await create({ ...policy('wrong', {}), apiVersion: 'v1' }, path)).code).to.equal(400);
    const { body } = await client.raw(path);
    expect([body.apiVersion, body.kind, body.items.length]).to.deep.equal([
      'networking.k8s.io/v1',
      'NetworkPolicyList',
      2,
    ]);
  });

  it('allows everything in an access review', async () => {
    const { code, body } = await create(
      { kind: 'SelfSubjectAccessReview', apiVersion: 'authorization.k8s.io/v1', spec: {} },
      '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    );
    expect([code, body.status.allowed]).to.deep.equal([201, true]);
  });

  describe('watch', () => {
    const take = async (path: string, count: number, act: () => Promise<unknown> = () => Promise.resolve()) => {
      const events: { type: string; name: string; object: { code?: number } }[] = [];
      let acted: Promise<unknown> | undefined;
      for await (const { type, object } of client.watch(path)) {
        acted ??= act();
        events.push({ type, name: object.metadata?.name, object });
        if (events.length === count) break;
      }
      await acted;
      return events;
    };
    const shown = (events: { type: string; name: string }[]) => events.map(({ type, name }) => `${type} ${name}`);

    it('sends every change after a version', async () => {
      const from = (await client.raw(mapsPath)).body.metadata.resourceVersion;
      await create(configMap('w1'));
      await client.raw(`${mapsPath}/w1`, { method: 'DELETE' });
      expect(shown(await take(`${mapsPath}?watch=true&resourceVersion=${from}`, 2))).to.deep.equal([
        'ADDED w1',
        'DELETED w1',
      ]);
    });

    it('begins with the current objects, without a version', async () => {
      await create({ ...configMap('w2'), metadata: { name: 'w2', labels: { w: '2' } } });
      expect(shown(await take(`${mapsPath}?watch=true&labelSelector=w%3D2`, 1))).to.deep.equal(['ADDED w2']);
    });

    it('sends an object that starts or stops matching as added or deleted', async () => {
      await create({ ...configMap('w3'), metadata: { name: 'w3', labels: { w: '3' } } });
      const label = (value: string) =>
        client.raw(`${mapsPath}/w3`, {
          method: 'PATCH',
          body: { metadata: { labels: { w: value } } },
          headers: { 'content-type': 'application/merge-patch+json' },
        });
      const act = async () => {
        await label('other');
        await label('3');
      };
      expect(shown(await take(`${mapsPath}?watch=true&labelSelector=w%3D3`, 3, act))).to.deep.equal([
        'ADDED w3',
        'DELETED w3',
        'ADDED w3',
      ]);
    });

    it('marks the end of the current objects, if the request asks for initial events', async () => {
      await create(configMap('marked'));
      const events = await take(
        `${mapsPath}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name%3Dmarked`,
        2,
      );
      expect(events.map(({ type }) => type)).to.deep.equal(['ADDED', 'BOOKMARK']);
    });

    it('ends after timeoutSeconds, with a bookmark', async () => {
      const { text } = await client.raw(
        `/api/v1/namespaces/mine/pods?watch=true&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion=${(await client.raw(podsPath)).body.metadata.resourceVersion}`,
      );
      expect(JSON.parse(text)).to.deep.include({ type: 'BOOKMARK' });
    });

    it('reports a version that is too old in the stream', async () => {
      using _gone = cluster.faults.add({ match: { verb: 'watch' }, kind: 'gone', times: 1 });
      const [event] = await take(`${mapsPath}?watch=true&resourceVersion=1`, 1);
      expect([event?.type, event?.object.code]).to.deep.equal(['ERROR', 410]);
    });
  });

  it('responds with a table for people', async () => {
    await create({ ...configMap('t'), metadata: { name: 't', labels: { t: 't' } }, data: { a: '', b: '' } });
    const { body } = await client.raw(`${mapsPath}?labelSelector=t`, {
      headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' },
    });
    expect(body.kind).to.equal('Table');
    expect(body.columnDefinitions.map(({ name }: { name: string }) => name)).to.deep.equal(['Name', 'Data', 'Age']);
    expect(body.rows[0].cells.slice(0, 2)).to.deep.equal(['t', 2]);
  });
});
