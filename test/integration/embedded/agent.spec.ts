import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { ClusterClient } from './cluster-client.ts';

const agentProgram = fileURLToPath(new URL(`../../../agent/bin/linux-${process.arch}/agent`, import.meta.url));

describe('The agent in the embedded cluster', () => {
  let cluster: EmbeddedCluster;
  let client: ClusterClient;

  before(async function () {
    if (!existsSync(agentProgram)) {
      console.log(`      skipped: there is no ${agentProgram}`);
      this.skip();
    }
    cluster = await EmbeddedCluster.start();
    client = new ClusterClient(cluster);
  });
  after(() => cluster?.close());

  it('runs as the command of a container, mounted from a config map, and responds on a connection', async () => {
    const binaryData = { agent: readFileSync(agentProgram).toString('base64') };
    await client.api.createNamespacedConfigMap({
      namespace: 'default',
      body: { metadata: { name: 'agent' }, immutable: true, binaryData },
    });
    const volumes = [
      { name: 'state', emptyDir: {} },
      { name: 'agent', configMap: { name: 'agent', defaultMode: 0o555 } },
    ];
    const volumeMounts = [
      { name: 'state', mountPath: '/.kw' },
      { name: 'agent', mountPath: '/.kw-agent' },
    ];
    await client.createPod('p', {
      terminationGracePeriodSeconds: 600,
      volumes,
      containers: [{ name: 'main', image: 'x', command: ['/.kw-agent/agent', 'serve', '/.kw'], volumeMounts }],
    });
    await client.podInPhase('p', 'Running');
    expect((await client.exec('p', { command: ['/.kw-agent/agent', 'version'] })).status.status).to.equal('Success');
    const socket = client.connectExec('p', { command: ['/.kw-agent/agent', 'connect', '/.kw'], stdin: true });
    const hello = await new Promise<Buffer>((resolve) => {
      const chunks: Buffer[] = [];
      socket.on('message', (data) => {
        if (!Buffer.isBuffer(data) || data[0] !== 1) return;
        chunks.push(data.subarray(1));
        const all = Buffer.concat(chunks);
        if (all.length > 8 && all.length >= 8 + all.readUInt32LE(4)) resolve(all.subarray(8, 8 + all.readUInt32LE(4)));
      });
    });
    socket.close();
    expect(JSON.parse(hello.toString())).to.deep.include({
      magic: 'kubernetes-worker',
      pid1: cluster.isolation === 'namespaces',
    });
    await client.api.deleteNamespacedPod({ namespace: 'default', name: 'p' });
    for await (const { type } of client.watch(
      '/api/v1/namespaces/default/pods?watch=true&resourceVersion=1&fieldSelector=metadata.name%3Dp',
    ))
      if (type === 'DELETED') break;
  });
});
