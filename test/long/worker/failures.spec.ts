import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { KubernetesWorker } from '../../../src/index.ts';
import { Collector, makeContainer, newOwner, sh } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';
import { readTarText, tarOf } from '../../support/tar.ts';
import { workerSetup } from '../../support/worker-setup.ts';

const image = 'busybox:1';

describe('KubernetesWorker after failures', () => {
  let cluster: EmbeddedCluster;
  let database: PGlite;
  let worker: KubernetesWorker;
  let setup: EmbeddedWorker['setup'];
  let close: (() => Promise<void>) | undefined;

  before(async () => {
    ({ cluster, database, setup, worker, close } = await embeddedWorker(image));
  });

  after(async () => {
    await close?.();
  });

  const target = (pod: string) => ({ namespace: 'default', pod, container: 'main' });

  context('when it is opened with invalid options', () => {
    const open = (options: object) =>
      rejection(KubernetesWorker.open({ name: 'wrong', kubeConfig: cluster.kubeconfigPath, database, ...options }));

    it('names the invalid kubeconfig, database or option [A49]', async () => {
      expect(await open({ kubeConfig: '/no/such/kubeconfig' })).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'kubeConfig',
      });
      expect(await open({ database: 'mysql://localhost' })).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'database',
      });
      expect(await open({ agentBinary: '/no/such/agent' })).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'agentBinary',
      });
      expect(await open({ name: '' })).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'name' });
      expect(await open({ startTimeoutMs: -1 })).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'startTimeoutMs' });
      expect(await open({ volumeImage: 'PAUSE' })).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'volumeImage' });
      expect(await open({ images: { preflight: 'maybe' } })).to.include({ field: 'images.preflight' });
      expect(await open({ maxAttachments: 0 })).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'maxAttachments' });
      expect(await open({ maxWaitingForQuota: 0 })).to.include({ field: 'maxWaitingForQuota' });
      expect(await open({ transfers: { maxConcurrent: 0.5 } })).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'transfers.maxConcurrent',
      });
      expect(await open({ transfers: { windowBytes: 1e9 } })).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'transfers.windowBytes',
      });
      expect(await open({ retention: { maxContainers: -1 } })).to.include({ field: 'retention.maxContainers' });
      expect(await open({ retention: { maxAgeMs: 0 } })).to.include({ field: 'retention.maxAgeMs' });
      expect(await open({ execProtocols: [] })).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'execProtocols' });
      expect(await open({ execProtocols: ['v9.channel.k8s.io'] })).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'execProtocols',
      });
    });

    it('rejects if the database does not respond', async () => {
      expect(await open({ database: 'postgres://user:secret@127.0.0.1:1/none' })).to.include({
        code: 'KW_ERR_REPOSITORY_UNAVAILABLE',
        retryable: true,
      });
    });
  });

  context('when it is closed', () => {
    it('rejects every call', async () => {
      const closed = await setup.openWith({});
      await closed.close();
      await closed.close();
      expect((await rejection(closed.lookupVolume('x'))).code).to.equal('KW_ERR_CLOSED');
      expect((await rejection(closed.findOrCreateContainer(newOwner(), { image }))).code).to.equal('KW_ERR_CLOSED');
    });

    it('aborts a check, and deletes the pod that the check has started', async () => {
      // Its pod does not start before its image is pulled.
      const closing = await setup.openWith({ volumeImage: setup.missingImage });
      const before = await setup.podNames();
      const checking = rejection(closing.check({ startPod: true }));
      while ((await setup.podNames()).length === before.length) await sleep(20);
      await closing.close();
      expect((await checking).code).to.equal('KW_ERR_CLOSED');
      expect(await setup.podNames()).to.have.members(before);
    });
  });

  context('when the API server refuses', () => {
    it('rejects with UNAUTHORIZED for invalid credentials', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'kw-unauthorized-'));
      const kubeConfig = join(folder, 'kubeconfig');
      const config = JSON.parse(cluster.kubeconfig) as { users: { user: object }[] };
      for (const entry of config.users) entry.user = { token: 'wrong' };
      writeFileSync(kubeConfig, JSON.stringify(config));
      const stranger = await setup.openWith({ kubeConfig });
      expect(await rejection(stranger.findOrCreateContainer(newOwner(), { image }))).to.include({
        code: 'KW_ERR_UNAUTHORIZED',
      });
      await stranger.close();
      rmSync(folder, { recursive: true });
    });

    it('names verb, resource and the missing right, for pods and for exec [A18]', async () => {
      using pods = cluster.faults.add({
        kind: 'status',
        status: 403,
        reason: 'Forbidden',
        match: { verb: 'create', resource: 'pods', subresource: '' },
      });
      // A server that has granted such calls to a worker may just have started when it refuses them.
      const stranger = await setup.openWith({});
      const error = await rejection(stranger.findOrCreateContainer(newOwner(), { image }));
      expect(error).to.include({ code: 'KW_ERR_FORBIDDEN', verb: 'create', resource: 'pods', namespace: 'default' });
      expect(error.message).to.include('a Role with verb create on pods');
      pods.remove();
      using exec = cluster.faults.add({
        kind: 'status',
        status: 403,
        reason: 'Forbidden',
        match: { resource: 'pods', subresource: 'exec' },
      });
      expect((await rejection(stranger.findOrCreateContainer(newOwner(), { image }))).message).to.include(
        'verbs create and get on pods/exec',
      );
      expect(exec.hits).to.be.greaterThan(0);
      await stranger.close();
    });

    it('continues after transient refusals', async () => {
      using _busy = cluster.faults.add({
        kind: 'status',
        status: 429,
        retryAfterSeconds: 0,
        times: 2,
        match: { resource: 'pods', subresource: '' },
      });
      using _down = cluster.faults.add({
        kind: 'status',
        status: 503,
        times: 2,
        match: { resource: 'pods', subresource: 'exec' },
      });
      const { container, owner } = await makeContainer(worker, image);
      expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
      await worker.ownerFinished(owner);
    });
  });

  context('when a connection is lost', () => {
    it('attaches to the process again: its output is complete, and it ran once [A18]', async () => {
      const { container, owner, mounts } = await makeContainer(worker, image, { outputs: { out: 'out' } });
      using _cut = cluster.faults.add({
        kind: 'drop',
        afterBytes: 20_000,
        direction: 'out',
        times: 3,
        match: { resource: 'pods', subresource: 'exec' },
      });
      const fresh = await setup.openWith({});
      const found = await fresh.lookupContainer(container.handle);
      const ran = await sh(
        found!,
        'echo once >> out/count; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo "line $i"; done; exit 4',
      );
      expect(ran.exitStatus).to.equal(4);
      expect(ran.stdout).to.equal(Array.from({ length: 20_000 }, (_, index) => `line ${index + 1}\n`).join(''));
      expect(await readTarText(await mounts.find(({ name }) => name === 'out')!.volume.streamOut('.'))).to.deep.equal({
        count: 'once\n',
      });
      await fresh.close();
      await worker.ownerFinished(owner);
    });

    it('sends no byte of stdin twice', async () => {
      const { container, owner } = await makeContainer(worker, image);
      const fresh = await setup.openWith({});
      const found = await fresh.lookupContainer(container.handle);
      using _cut = cluster.faults.add({
        kind: 'drop',
        afterBytes: 300_000,
        direction: 'in',
        times: 2,
        match: { resource: 'pods', subresource: 'exec' },
      });
      const input = randomBytes(1_500_000).toString('hex');
      const stdout = new Collector();
      const process = await found!.run(
        { path: 'cat' },
        { stdin: Readable.from([input.slice(0, 1_000_000), input.slice(1_000_000)]), stdout },
      );
      expect((await process.wait()).exitStatus).to.equal(0);
      expect(stdout.text === input).to.equal(true);
      await fresh.close();
      await worker.ownerFinished(owner);
    });

    const large = randomBytes(5_000_000);

    /** Yields the archive in chunks. Calls `call` once, before the chunk at offset `at`. */
    async function* watched(archive: Buffer, at: number, call: () => Promise<void>): AsyncGenerator<Buffer> {
      for (let offset = 0; offset < archive.length; offset += 100_000) {
        if (offset >= at && offset < at + 100_000) await call();
        yield archive.subarray(offset, offset + 100_000);
      }
    }

    for (const direction of ['in', 'out'] as const) {
      it(`continues a transfer after repeated cuts in direction ${direction}`, async () => {
        const { volume } = await worker.createVolumeForArtifact('team');
        const fresh = await setup.openWith({});
        const found = await fresh.lookupVolume(volume.handle);
        using fault = cluster.faults.add({
          kind: 'drop',
          afterBytes: 900_000,
          direction,
          times: 4,
          match: { resource: 'pods', subresource: 'exec' },
        });
        await found!.streamIn('.', Readable.from([await tarOf({ 'large.bin': large })]));
        expect(large.equals(await found!.readFile('large.bin', { limitBytes: large.length }))).to.equal(true);
        expect(fault.hits).to.be.at.least(4);
        await fresh.close();
        await worker.expireArtifact(volume.handle);
      });
    }

    it('continues a transfer after an outage of the API server', async () => {
      const { volume } = await worker.createVolumeForArtifact('team');
      const archive = await tarOf({ 'large.bin': large });
      const away = async (): Promise<void> => {
        await cluster.stopApi();
        await new Promise((resolve) => setTimeout(resolve, 300));
        await cluster.startApi();
      };
      await volume.streamIn('.', watched(archive, 3_000_000, away));
      const parts: Buffer[] = [];
      for await (const chunk of await volume.streamOut('.')) {
        parts.push(chunk as Buffer);
        if (parts.length === 3) await away();
      }
      expect(Buffer.concat(parts).includes(large)).to.equal(true);
      await worker.expireArtifact(volume.handle);
    });

    it('rejects promptly if the pod, and so the volume, no longer exists', async () => {
      const { volume } = await worker.createVolumeForArtifact('team');
      const archive = await tarOf({ 'large.bin': large });
      const podName = (await setup.podNames()).find((name) => name.includes(volume.handle.slice(0, 8))) ?? '';
      const upload = rejection(
        volume.streamIn(
          '.',
          watched(archive, 3_000_000, () => setup.deletePod(podName)),
        ),
      );
      expect(await upload).to.include({ code: 'KW_ERR_VOLUME_DISAPPEARED', handle: volume.handle });
      await worker.expireArtifact(volume.handle);
    });

    it('continues a process through an outage of the API server', async () => {
      const { container, owner } = await makeContainer(worker, image);
      const stdout = new Collector();
      const process = await container.run(
        {
          path: 'sh',
          args: ['-c', 'i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done; exit 5'],
        },
        { stdout },
      );
      while (!stdout.text.includes('line 3\n')) await new Promise((resolve) => setImmediate(resolve));
      await cluster.stopApi();
      await new Promise((resolve) => setTimeout(resolve, 700));
      await cluster.startApi();
      expect((await process.wait()).exitStatus).to.equal(5);
      expect(stdout.text).to.equal(Array.from({ length: 30 }, (_, index) => `line ${index + 1}\n`).join(''));
      await worker.ownerFinished(owner);
    });
  });

  context('when a command prints more than its pod keeps', () => {
    it('delivers all output, and does not block the command', async () => {
      const { container, owner } = await makeContainer(worker, image);
      let bytes = 0;
      const stdout = new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          bytes += chunk.byteLength;
          done();
        },
      });
      const process = await container.run(
        { path: 'sh', args: ['-c', 'head -c 300000000 /dev/zero; echo end >&2'] },
        { stdout },
      );
      expect((await process.wait()).exitStatus).to.equal(0);
      expect([bytes, process.position()]).to.deep.equal([300_000_000, { stdoutBytes: 300_000_000, stderrBytes: 4 }]);
      await worker.ownerFinished(owner);
    });
  });

  context('when a pod fails', () => {
    it('rejects wait() if the pod of the process no longer exists [A20] [A30]', async () => {
      const { container, owner } = await makeContainer(worker, image);
      const process = await container.run({ path: 'sh', args: ['-c', 'trap "" TERM; while :; do sleep 1; done'] }, {});
      const waiting = rejection(process.wait());
      await setup.deletePod(container.podName);
      expect((await waiting).code).to.equal('KW_ERR_POD_DELETED');
      await worker.ownerFinished(owner);
    });

    it('reports that the container ran out of memory, keeps its volumes, and can run the next command', async () => {
      const { container, owner, mounts } = await makeContainer(worker, image, {
        outputs: { out: 'out' },
        limits: { memoryBytes: 64 * 1024 * 1024 },
      });
      await sh(container, 'echo kept > out/kept');
      const process = await container.run({ path: 'sleep', args: ['600'] }, {});
      const waiting = rejection(process.wait());
      cluster.killContainer(target(container.podName), 'SIGKILL', 'OOMKilled');
      expect(await waiting).to.include({
        code: 'KW_ERR_OUT_OF_MEMORY',
        podName: container.podName,
        limitBytes: 64 * 1024 * 1024,
      });
      expect(await readTarText(await mounts.find(({ name }) => name === 'out')!.volume.streamOut('.'))).to.deep.equal({
        kept: 'kept\n',
      });
      expect((await sh(container, 'cat out/kept')).stdout).to.equal('kept\n');
      await worker.ownerFinished(owner);
    });

    it('never guesses the result of a process after a restart of its container', async () => {
      const { container, owner } = await makeContainer(worker, image);
      const process = await container.run({ id: 'lost', path: 'sleep', args: ['600'] }, {});
      const waiting = rejection(process.wait());
      cluster.killContainer(target(container.podName), 'SIGKILL');
      expect((await waiting).code).to.equal('KW_ERR_OUTCOME_UNKNOWN');
      await worker.ownerFinished(owner);
    });

    it('restores a deleted config map of the agent', async () => {
      const config = new KubeConfig();
      config.loadFromFile(cluster.kubeconfigPath);
      const api = config.makeApiClient(CoreV1Api);
      const { items } = await api.listNamespacedConfigMap({ namespace: 'default' });
      const names = items
        .map((configMap) => configMap.metadata?.name ?? '')
        .filter((name) => name.startsWith('kubernetes-worker-agent-'));
      expect(names).to.have.length(1);
      await api.deleteNamespacedConfigMap({ namespace: 'default', name: names[0]! });
      const { container, owner } = await makeContainer(worker, image);
      expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
      await worker.ownerFinished(owner);
    });

    it('rejects for a pod without a node after the scheduling time-out [A26]', async () => {
      const impatient = await setup.openWith({ schedulingTimeoutMs: 1_000 });
      const error = await rejection(
        impatient.findOrCreateContainer(newOwner(), { image, limits: { cpuMilli: 4_000_000 } }),
      );
      expect(error).to.include({ code: 'KW_ERR_POD_UNSCHEDULABLE' });
      expect(error.message).to.match(/0\/1 nodes are available/);
      await impatient.close();
    });
  });

  context('when a host dies while it creates a container', () => {
    it('leaves nothing that the reaper does not find, and the owner gets its container [A44]', async () => {
      const owner = newOwner();
      const abort = new AbortController();
      const dying = await setup.openWith({});
      const making = rejection(
        dying.findOrCreateContainer(
          owner,
          { image },
          {
            signal: abort.signal,
            delegate: { progress: () => abort.abort(new Error('died')) },
          },
        ),
      );
      expect((await making).message).to.equal('died');
      await dying.close();
      await worker.ownerFinished(owner);
      await worker.reap();
      const { container } = await worker.findOrCreateContainer(owner, { image });
      expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
      await worker.ownerFinished(owner);
    });
  });

  context('when the worker has options for images', () => {
    it('creates the pod with the resolved image, refuses others, and finds the container whatever the policy [A4]', async () => {
      const rules = [{ name: 'no images', team: 'x', allow: [] }];
      const policy = { resourceTypes: { shell: image }, rules };
      await using strict = await setup.openWith({
        images: { registryPrefix: 'registry.example', pullPolicy: 'Always', policy },
      });
      const owner = newOwner();
      const spec = {
        resourceType: 'shell',
        sidecars: [
          { name: 'side', image: 'docker:///side', command: ['sh', '-c', 'trap "exit 0" TERM; sleep 60 & wait'] },
        ],
      };
      const { container } = await strict.findOrCreateContainer(owner, spec);
      const labelSelector = `kubernetes-worker/handle=${container.handle}`;
      const config = new KubeConfig();
      config.loadFromFile(cluster.kubeconfigPath);
      const { items } = await config
        .makeApiClient(CoreV1Api)
        .listNamespacedPod({ namespace: 'default', labelSelector });
      expect(items[0]?.spec?.containers.map((each) => [each.image, each.imagePullPolicy])).to.deep.equal([
        [`registry.example/${image}`, 'Always'],
        ['registry.example/side', 'Always'],
      ]);
      expect(items[0]?.metadata?.annotations).to.deep.equal({
        'kubernetes-worker/requested-images': '{"side":"docker:///side"}',
      });
      const refused = rejection(strict.findOrCreateContainer(newOwner(), spec, { metadata: { team: 'x' } }));
      expect(await refused).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'image' });
      expect((await strict.findOrCreateContainer(owner, spec, { metadata: { team: 'x' } })).container.handle).to.equal(
        container.handle,
      );
      await strict.ownerFinished(owner);
    });

    it('checks an image in its registry with the pull secrets, and creates no pod for a missing one', async () => {
      const seen: (string | undefined)[] = [];
      const registry = createServer(({ headers: { authorization }, url }, response) => {
        seen.push(`${url ?? ''} ${authorization ?? ''}`);
        if (authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        else response.writeHead(404).end();
      });
      await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
      try {
        const host = `127.0.0.1:${String((registry.address() as AddressInfo).port)}`;
        const config = new KubeConfig();
        config.loadFromFile(cluster.kubeconfigPath);
        const auths = { [host]: { username: 'me', password: 'hunter2' } };
        await config.makeApiClient(CoreV1Api).createNamespacedSecret({
          namespace: 'default',
          body: {
            metadata: { name: 'pull' },
            type: 'kubernetes.io/dockerconfigjson',
            stringData: { '.dockerconfigjson': JSON.stringify({ auths }) },
          },
        });
        await using checking = await setup.openWith({
          images: { preflight: 'enforce', plainHttpRegistries: [host] },
          pods: { imagePullSecrets: ['pull'] },
        });
        const before = await setup.podNames();
        const refused = rejection(checking.findOrCreateContainer(newOwner(), { image: `${host}/app:1` }));
        expect(await refused).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'image' });
        expect(seen).to.deep.equal([
          '/v2/app/manifests/1 ',
          `/v2/app/manifests/1 Basic ${Buffer.from('me:hunter2').toString('base64')}`,
        ]);
        expect(await setup.podNames()).to.deep.equal(before);
      } finally {
        registry.closeAllConnections();
        registry.close();
      }
    });
  });

  context('when the disk is full', () => {
    it('rejects with DISK_FULL, and does not change the volume', async function () {
      if (process.getuid?.() !== 0) {
        console.log('        skipped: only root can mount a small file system to fill');
        this.skip();
      }
      const directory = mkdtempSync(join(tmpdir(), 'kw-small-'));
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', directory]);
      const small = await EmbeddedCluster.start({ directory });
      try {
        const onSmall = await workerSetup({
          kubeconfigPath: small.kubeconfigPath,
          namespace: 'default',
          database,
          image,
          missingImage: '',
        }).open();
        const { volume } = await onSmall.createVolumeForArtifact('team');
        await volume.streamIn('.', Readable.from([await tarOf({ 'before.txt': 'before' })]));
        const archive = await tarOf({ 'huge.bin': randomBytes(12_000_000) });
        expect(await rejection(volume.streamIn('.', Readable.from([archive])))).to.include({
          code: 'KW_ERR_DISK_FULL',
          errno: 'ENOSPC',
        });
        expect(await readTarText(await volume.streamOut('.'))).to.deep.equal({ 'before.txt': 'before' });
        await volume.streamIn('.', Readable.from([await tarOf({ 'fits.bin': randomBytes(1_000_000) })]));
        await onSmall.close();
      } finally {
        await small.close();
        execFileSync('umount', [directory]);
        rmSync(directory, { recursive: true });
      }
    });
  });

  context('when everything is released', () => {
    it('leaves nothing behind after all these failures', async () => {
      await worker.reap();
      const left = (await setup.podNames()).length;
      const rows = await database.query<{ rows: number }>(
        'select count(*)::int as rows from kubernetes_worker.containers where worker_name = $1',
        [worker.name],
      );
      expect({ left, rows: rows.rows[0]?.rows }).to.deep.equal({ left: 0, rows: 0 });
    });
  });
});
