import { once } from 'node:events';
import { expect } from 'chai';
import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { rejection } from '../../support/rejection.ts';
import { ClusterClient, collect } from './cluster-client.ts';

const podsPath = '/api/v1/namespaces/default/pods';
const execRequests = { subresource: 'exec' };

describe('Faults of the embedded cluster', () => {
  let cluster: EmbeddedCluster;
  let client: ClusterClient;

  before(async () => {
    cluster = await EmbeddedCluster.start();
    client = new ClusterClient(cluster);
    await client.runScript('p', 'sleep 1000');
    await client.podInPhase('p', 'Running');
  });
  afterEach(() => cluster.faults.clear());
  after(() => cluster.close());

  it('responds with a status the given number of times, and only to matching requests', async () => {
    const fault = cluster.faults.add({
      match: { verb: 'list', resource: 'pods' },
      kind: 'status',
      status: 429,
      retryAfterSeconds: 2,
      times: 1,
    });
    const first = await client.raw(podsPath);
    expect([first.code, first.body.reason, first.headers['retry-after']]).to.deep.equal([429, 'TooManyRequests', '2']);
    expect(first.body.details).to.deep.equal({ retryAfterSeconds: 2 });
    expect((await client.raw(podsPath)).code).to.equal(200);
    expect(fault.hits).to.equal(1);
  });

  it('ends with the block of its `using` declaration', async () => {
    {
      using _fault = cluster.faults.add({ match: { path: '/version' }, kind: 'status', status: 503 });
      expect((await client.raw('/version')).code).to.equal(503);
    }
    expect((await client.raw('/version')).code).to.equal(200);
  });

  it('drops the response of a performed request, or the request', async () => {
    const body = (name: string) => ({ method: 'POST', body: { metadata: { name } } });
    const path = '/api/v1/namespaces/default/configmaps';
    cluster.faults.add({ match: { verb: 'create' }, kind: 'drop', times: 1 });
    await rejection(client.raw(path, body('done')));
    cluster.faults.add({ match: { verb: 'create' }, kind: 'drop', direction: 'in', times: 1 });
    await rejection(client.raw(path, body('undone')));
    expect((await client.raw(`${path}/done`)).code).to.equal(200);
    expect((await client.raw(`${path}/undone`)).code).to.equal(404);
  });

  it('delays a response', async () => {
    cluster.faults.add({ match: { path: '/version' }, kind: 'delay', delayMs: 150, times: 1 });
    const before = Date.now();
    await client.raw('/version');
    expect(Date.now() - before).to.be.at.least(140);
  });

  it('slows a response', async () => {
    cluster.faults.add({ match: { path: '/version' }, kind: 'slow', bytesPerSecond: 1000, times: 1 });
    const before = Date.now();
    const { text } = await client.raw('/version');
    expect(Date.now() - before).to.be.at.least(text.length - 20);
  });

  it('closes the connection of an exec after a number of output bytes', async () => {
    cluster.faults.add({ match: execRequests, kind: 'drop', afterBytes: 100_000, times: 1 });
    const { stdout, status, closeCode } = await client.exec('p', { command: ['head', '-c', '1000000', '/dev/zero'] });
    expect([status, closeCode]).to.deep.equal([undefined, 1006]);
    expect(stdout.length).to.be.within(60_000, 100_000);
  });

  it('closes the connection of an exec after a number of input bytes', async () => {
    cluster.faults.add({ match: execRequests, kind: 'drop', direction: 'in', afterBytes: 100_000, times: 1 });
    const { status, closeCode } = await client.exec('p', { command: ['cat'] }, Buffer.alloc(1_000_000));
    expect([status, closeCode]).to.deep.equal([undefined, 1006]);
  });

  it('leaves an exec half open: silent but not closed', async () => {
    cluster.faults.add({ match: execRequests, kind: 'half-open', times: 1 });
    const socket = client.connectExec('p', { command: ['head', '-c', '100000', '/dev/zero'] });
    const result = collect(socket);
    await once(socket, 'open');
    let answered = false;
    socket.once('pong', () => {
      answered = true;
    });
    socket.ping();
    const still = await Promise.race([
      result.then(() => 'closed'),
      client.exec('p', { command: ['sleep', '0.2'] }).then(() => 'open'),
    ]);
    expect([still, answered]).to.deep.equal(['open', false]);
    socket.terminate();
    await result;
  });

  it('slows an exec', async () => {
    cluster.faults.add({ match: execRequests, kind: 'slow', bytesPerSecond: 200_000, times: 1 });
    const before = Date.now();
    const { stdout } = await client.exec('p', { command: ['head', '-c', '100000', '/dev/zero'] });
    expect(stdout.length).to.equal(100_000);
    expect(Date.now() - before).to.be.at.least(400);
  });

  it('drops the status of an exec', async () => {
    cluster.faults.add({ match: execRequests, kind: 'lost-status', times: 1 });
    const { stdout, status, closeCode } = await client.exec('p', { command: ['echo', 'all'] });
    expect([stdout.toString(), status, closeCode]).to.deep.equal(['all\n', undefined, 1000]);
  });

  it('ends the input of a command early and reports a success', async () => {
    cluster.faults.add({ match: execRequests, kind: 'early-eof', afterBytes: 70_000, times: 1 });
    const { stdout, status } = await client.exec('p', { command: ['wc', '-c'] }, Buffer.alloc(200_000));
    expect([stdout.toString().trim(), status.status]).to.deep.equal(['70000', 'Success']);
  });

  it('drops the end of an output and reports a success', async () => {
    cluster.faults.add({ match: execRequests, kind: 'early-eof', direction: 'out', afterBytes: 70_000, times: 1 });
    const { stdout, status } = await client.exec('p', { command: ['head', '-c', '200000', '/dev/zero'] });
    expect([stdout.length, status.status]).to.deep.equal([70_000, 'Success']);
  });

  it('stops the API server and starts it again with all objects, while containers continue to run', async () => {
    const watching = (async () => {
      for await (const _event of client.watch(`${podsPath}?watch=true`)) if (cluster === undefined) break;
    })();
    const before = await client.podWhen('p', () => true);
    await cluster.stopApi();
    await rejection(watching);
    await rejection(client.raw(podsPath));
    await cluster.startApi();
    const after = (await client.raw(`${podsPath}/p`)).body;
    expect(after).to.deep.equal(before);
    expect((await client.exec('p', { command: ['true'] })).status.status).to.equal('Success');
  });
});
