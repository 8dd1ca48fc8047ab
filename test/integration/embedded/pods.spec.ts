import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { ClusterClient } from './cluster-client.ts';
import { isolations, startOrSkip } from './isolation.ts';

const busybox = 'registry.local/busybox:1';

for (const isolation of isolations) {
  describe(`Pods of the embedded cluster, isolation ${isolation}`, () => {
    let cluster: EmbeddedCluster;
    let client: ClusterClient;

    before(async function () {
      cluster = await startOrSkip(this, { isolation, crashLoopBackOffMs: 200 });
      client = new ClusterClient(cluster);
    });
    after(() => cluster?.close());

    /** Defines a test that does not depend on the isolation. */
    const once = (title: string, test: Mocha.AsyncFunc) => isolation === 'mapped' && it(title, test);
    const sh = (pod: string, script: string, container?: string) =>
      client.exec(pod, { command: ['sh', '-c', script], ...(container === undefined ? {} : { container }) });
    const output = async (pod: string, script: string, container?: string) => {
      const { stdout, stderr, status } = await sh(pod, script, container);
      expect(status.status, stderr.toString()).to.equal('Success');
      return stdout.toString();
    };

    it('runs a pod to its end, keeps both outputs, and reports the exit code', async () => {
      await client.runScript('ends', 'echo out; echo err >&2; exit 3', { restartPolicy: 'Never' });
      const pod = await client.podWhen('ends', ({ status }) => status.phase === 'Failed');
      const [status] = pod.status.containerStatuses;
      expect(status.state.terminated).to.include({ exitCode: 3, reason: 'Error' });
      expect(status.containerID).to.match(/^embedded:\/\/[0-9a-f]{64}$/);
      const log = await client.api.readNamespacedPodLog({ namespace: 'default', name: 'ends' });
      expect(log.split('\n').sort()).to.deep.equal(['', 'err', 'out']);
      const tail = await client.raw('/api/v1/namespaces/default/pods/ends/log?tailLines=1&timestamps=true');
      expect(tail.text).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z (out|err)\n$/);
    });

    once('reports a ready pod with its node, its address and its conditions', async () => {
      await client.runScript('ready', 'sleep 100');
      const { spec, status } = await client.podWhen('ready', (pod) => pod.status.phase === 'Running');
      expect(spec.nodeName).to.be.a('string');
      expect(status.podIP).to.equal('127.0.0.1');
      for (const type of ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready']) {
        expect(status.conditions.find((condition: { type: string }) => condition.type === type)?.status, type).to.equal(
          'True',
        );
      }
    });

    it('mounts volumes of every kind at their paths', async () => {
      const namespace = 'default';
      await client.api.createNamespacedConfigMap({
        namespace,
        body: {
          metadata: { name: 'cm' },
          data: { text: 'hello' },
          binaryData: { 'run.sh': Buffer.from('#!/bin/sh\necho ran "$0"\n').toString('base64') },
        },
      });
      await client.api.createNamespacedSecret({
        namespace,
        body: { metadata: { name: 'se' }, stringData: { key: 'secret' } },
      });
      await client.api.createNamespacedPersistentVolumeClaim({
        namespace,
        body: {
          metadata: { name: 'pvc' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1' } } },
        },
      });
      const volumes = [
        { name: 'cm', configMap: { name: 'cm', defaultMode: 0o555 } },
        { name: 'se', secret: { secretName: 'se', items: [{ key: 'key', path: 'deep/key', mode: 0o400 }] } },
        { name: 'pvc', persistentVolumeClaim: { claimName: 'pvc' } },
        { name: 'dir', emptyDir: { medium: 'Memory' } },
        { name: 'down', downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
        { name: 'optional', configMap: { name: 'missing', optional: true } },
      ];
      const volumeMounts = [
        { name: 'cm', mountPath: '/.kw-test/cm' },
        { name: 'se', mountPath: '/kw test/secret' },
        { name: 'pvc', mountPath: '/kw-pvc' },
        { name: 'dir', mountPath: '/home/kw-nobody/has/this' },
        { name: 'dir', mountPath: '/kw-sub', subPath: 'volumes/a/data' },
        { name: 'dir', mountPath: '/kw-pvc/nested', subPath: 'nested' },
        { name: 'down', mountPath: '/kw-down' },
        { name: 'optional', mountPath: '/kw-optional' },
      ];
      await client.runScript('volumes', 'echo saved > /kw-pvc/file; sleep 100', {
        volumes,
        containers: [{ name: 'main', image: busybox, volumeMounts }],
      });
      await client.podInPhase('volumes', 'Running');
      expect(await output('volumes', 'cat /.kw-test/cm/text; /.kw-test/cm/run.sh | cut -d" " -f1')).to.equal(
        'hello' + 'ran\n',
      );
      expect(
        await output('volumes', 'cat "/kw test/secret/deep/key"; stat -Lc %a "/kw test/secret/deep/key"'),
      ).to.equal('secret400\n');
      expect(
        await output(
          'volumes',
          'echo x > /kw-sub/file; cat /home/kw-nobody/has/this/volumes/a/data/file; stat -c %a /home/kw-nobody/has/this/volumes/a/data',
        ),
      ).to.equal('x\n777\n');
      expect(await output('volumes', 'cat /kw-down/name; ls /kw-optional')).to.equal('volumes');
      expect(
        await output(
          'volumes',
          'echo y > /kw-pvc/nested/n; cd /kw-pvc && cat file nested/n; cat /home/kw-nobody/has/this/nested/n',
        ),
      ).to.equal('saved\ny\ny\n');
      await client.runScript('claim', 'cat /data/file', {
        restartPolicy: 'Never',
        volumes: [volumes[2] ?? { name: '' }],
        containers: [
          { name: 'main', image: busybox, volumeMounts: [{ name: 'pvc', mountPath: '/data', readOnly: true }] },
        ],
      });
      await client.podInPhase('claim', 'Succeeded');
      expect(await client.api.readNamespacedPodLog({ namespace, name: 'claim' })).to.equal('saved\n');
    });

    once('sets the environment that the pod specifies', async () => {
      const env = [
        { name: 'PLAIN', value: 'a' },
        { name: 'JOINED', value: '$(PLAIN)-$(UNKNOWN)-$$(PLAIN)' },
        { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'KEY', valueFrom: { secretKeyRef: { name: 'env', key: 'k' } } },
        { name: 'NONE', valueFrom: { configMapKeyRef: { name: 'env', key: 'k', optional: true } } },
      ];
      await client.createPod('env', {
        restartPolicy: 'Never',
        containers: [
          {
            name: 'main',
            image: busybox,
            env,
            command: ['sh', '-c', 'echo "$1 $JOINED $POD $KEY ${NONE-unset} $HOSTNAME"', 'sh', '$(PLAIN)'],
          },
        ],
      });
      const waiting = await client.podWhen(
        'env',
        ({ status }) => status.containerStatuses?.[0].state.waiting?.reason === 'CreateContainerConfigError',
      );
      expect(waiting.status.containerStatuses[0].state.waiting?.message).to.equal('secret "env" not found');
      await client.api.createNamespacedSecret({
        namespace: 'default',
        body: { metadata: { name: 'env' }, stringData: { k: 'v' } },
      });
      await client.podInPhase('env', 'Succeeded');
      expect(await client.api.readNamespacedPodLog({ namespace: 'default', name: 'env' })).to.equal(
        'a a-$(UNKNOWN)-$(PLAIN) env v unset env\n',
      );
    });

    once('waits for a config map that a volume needs, and reports it in an event', async () => {
      await client.runScript('waits', 'sleep 100', {
        volumes: [{ name: 'v', configMap: { name: 'late' } }],
        containers: [{ name: 'main', image: busybox, volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
      });
      await client.podWhen(
        'waits',
        ({ status }) => status.containerStatuses?.[0].state.waiting?.reason === 'ContainerCreating',
      );
      const failures = () =>
        client.api.listNamespacedEvent({
          namespace: 'default',
          fieldSelector: 'involvedObject.name=waits,reason=FailedMount',
        });
      // The kubelet records the event after it has written the status.
      let { items } = await failures();
      while (items.length === 0) ({ items } = await failures());
      expect(items[0]?.message).to.equal('MountVolume.SetUp failed for volume "v" : configmap "late" not found');
      await client.api.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'late' } } });
      await client.podInPhase('waits', 'Running');
    });

    it('runs init containers in order, a sidecar until the end of the pod, then all other containers', async () => {
      const volumeMounts = [{ name: 'v', mountPath: '/kw-order' }];
      const step = (name: string, script: string, more: object = {}) => ({
        name,
        image: busybox,
        command: ['sh', '-c', script],
        volumeMounts,
        ...more,
      });
      await client.createPod('order', {
        restartPolicy: 'Never',
        volumes: [{ name: 'v', emptyDir: {} }],
        initContainers: [
          step('one', 'echo one >> /kw-order/log'),
          step('side', 'echo side >> /kw-order/log; sleep 100', { restartPolicy: 'Always' }),
          step('two', 'while ! grep -q side /kw-order/log; do sleep 0.02; done; echo two >> /kw-order/log'),
        ],
        containers: [step('main', 'cat /kw-order/log'), step('other', 'true')],
      });
      await client.podInPhase('order', 'Succeeded');
      expect((await client.raw('/api/v1/namespaces/default/pods/order/log?container=main')).text).to.equal(
        'one\nside\ntwo\n',
      );
    });

    once('restarts a container that ends, with a growing delay, and keeps the log of the previous run', async () => {
      await client.runScript('crash', 'echo run; exit 1');
      const first = await client.podWhen(
        'crash',
        ({ status }) => status.containerStatuses?.[0].state.waiting?.reason === 'CrashLoopBackOff',
      );
      expect(first.status.containerStatuses[0]).to.deep.include({ restartCount: 1, ready: false });
      expect(first.status.containerStatuses[0].lastState.terminated?.exitCode).to.equal(1);
      expect(first.status.phase).to.equal('Running');
      const later = await client.podWhen('crash', ({ status }) => status.containerStatuses?.[0].restartCount === 2);
      expect(later.status.containerStatuses[0].lastState.terminated?.exitCode).to.equal(1);
      expect((await client.raw('/api/v1/namespaces/default/pods/crash/log?previous=true')).text).to.equal('run\n');
    });

    once('reports a missing command', async () => {
      await client.createPod('nocmd', {
        restartPolicy: 'Never',
        containers: [{ name: 'main', image: busybox, command: ['kw-nope'] }],
      });
      const { status } = await client.podWhen('nocmd', (pod) => pod.status.phase === 'Failed');
      expect(status.containerStatuses[0].state.terminated).to.include({ reason: 'StartError', exitCode: 128 });
      expect(status.containerStatuses[0].state.terminated?.message).to.include(
        'exec: "kw-nope": executable file not found in $PATH: unknown',
      );
    });

    once('does not pull an image from an invalid host, and rejects an invalid name', async () => {
      for (const [name, image, reason] of [
        ['pull', 'registry.invalid/x:1', 'ImagePullBackOff'],
        ['name', 'Registry/X Y:1', 'InvalidImageName'],
      ] as const) {
        await client.createPod(name, { containers: [{ name: 'main', image, command: ['true'] }] });
        const { status } = await client.podWhen(
          name,
          (pod) => pod.status.containerStatuses?.[0].state.waiting?.reason === reason,
        );
        expect(status.phase).to.equal('Pending');
      }
    });

    once('does not schedule a pod that selects another node or requests more than the capacity', async () => {
      await client.runScript('picky', 'true', { nodeSelector: { 'kubernetes.io/arch': 'z80' } });
      await client.createPod('huge', {
        containers: [{ name: 'main', image: busybox, resources: { requests: { cpu: '10000' } } }],
      });
      for (const [name, message] of [
        ['picky', "1 node(s) didn't match Pod's node affinity/selector"],
        ['huge', '1 Insufficient cpu'],
      ] as const) {
        const { status } = await client.podWhen(name, (pod) => pod.status.conditions !== undefined);
        expect(status.conditions[0]).to.include({ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' });
        expect(status.conditions[0].message)
          .to.match(/^0\/1 nodes are available: /)
          .and.to.include(message);
      }
    });

    it('stops a pod with SIGTERM, and removes it when its containers have ended', async () => {
      await client.runScript(
        'graceful',
        'trap "echo bye > /kw-out/said; exit 0" TERM; echo up; while :; do sleep 0.02; done',
        {
          terminationGracePeriodSeconds: 600,
          volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'bye' } }],
          containers: [{ name: 'main', image: busybox, volumeMounts: [{ name: 'v', mountPath: '/kw-out' }] }],
        },
      );
      await client.api.createNamespacedPersistentVolumeClaim({
        namespace: 'default',
        body: { metadata: { name: 'bye' }, spec: {} },
      });
      await client.podInPhase('graceful', 'Running');
      while ((await client.raw('/api/v1/namespaces/default/pods/graceful/log')).text !== 'up\n');
      const types: string[] = [];
      for await (const { type, object } of client.watch(
        '/api/v1/namespaces/default/pods?watch=true&fieldSelector=metadata.name%3Dgraceful',
      )) {
        if (types.length === 0) void client.api.deleteNamespacedPod({ namespace: 'default', name: 'graceful' });
        if (types.length === 1) expect(object.metadata.deletionGracePeriodSeconds).to.equal(600);
        types.push(type);
        if (type === 'DELETED') break;
      }
      expect(types.slice(0, 2)).to.deep.equal(['ADDED', 'MODIFIED']);
      await client.runScript('reads', 'cat /kw-out/said', {
        restartPolicy: 'Never',
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'bye' } }],
        containers: [{ name: 'main', image: busybox, volumeMounts: [{ name: 'v', mountPath: '/kw-out' }] }],
      });
      await client.podInPhase('reads', 'Succeeded');
      expect((await client.raw('/api/v1/namespaces/default/pods/reads/log')).text).to.equal('bye\n');
    });

    once('kills a container that does not stop within its grace period', async () => {
      const terminationGracePeriodSeconds = 600;
      const script = 'trap "" TERM; echo up; while :; do sleep 0.02; done';
      await client.runScript('stubborn', script, { terminationGracePeriodSeconds });
      await client.podInPhase('stubborn', 'Running');
      while ((await client.raw('/api/v1/namespaces/default/pods/stubborn/log')).text !== 'up\n');
      const before = Date.now();
      await client.api.deleteNamespacedPod({ namespace: 'default', name: 'stubborn', gracePeriodSeconds: 1 });
      for await (const { type } of client.watch(
        '/api/v1/namespaces/default/pods?watch=true&resourceVersion=1&fieldSelector=metadata.name%3Dstubborn',
      ))
        if (type === 'DELETED') break;
      expect(Date.now() - before).to.be.at.least(900);
    });

    once('ends a pod at its deadline', async () => {
      await client.runScript('deadline', 'sleep 100', { activeDeadlineSeconds: 1, restartPolicy: 'Never' });
      const { status } = await client.podWhen('deadline', (pod) => pod.status.phase === 'Failed');
      expect(status.reason).to.equal('DeadlineExceeded');
    });

    it('reports OOMKilled for a container that is killed with that reason, and restarts it', async () => {
      await client.runScript('oom', 'sleep 100');
      await client.podInPhase('oom', 'Running');
      cluster.killContainer({ namespace: 'default', pod: 'oom', container: 'main' }, 'SIGKILL', 'OOMKilled');
      const { status } = await client.podWhen(
        'oom',
        (pod) =>
          pod.status.containerStatuses?.[0].restartCount === 1 &&
          pod.status.containerStatuses[0].state.running !== undefined,
      );
      expect(status.containerStatuses[0].lastState.terminated).to.include({ reason: 'OOMKilled', exitCode: 137 });
    });

    it('runs as the user that the pod specifies, if it has the permission', async function () {
      if (process.getuid?.() !== 0) {
        console.log('      skipped: only root can change the user');
        this.skip();
      }
      await client.runScript('user', 'id -u; id -g; id -G', {
        restartPolicy: 'Never',
        securityContext: { runAsUser: 12345, runAsGroup: 23456, fsGroup: 34567 },
      });
      await client.podInPhase('user', 'Succeeded');
      expect(
        (await client.raw('/api/v1/namespaces/default/pods/user/log')).text.replace('\n23456\n23456 ', '\n23456\n'),
      ).to.match(isolation === 'namespaces' ? /^12345\n23456\n34567\n$/ : /^12345\n23456\n/);
    });

    it('mounts a host path', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'kw-host-path-'));
      try {
        await writeFile(join(directory, 'there'), 'yes');
        await client.runScript('host', 'cat /kw-host/there', {
          restartPolicy: 'Never',
          volumes: [{ name: 'v', hostPath: { path: directory } }],
          containers: [
            { name: 'main', image: busybox, volumeMounts: [{ name: 'v', mountPath: '/kw-host', readOnly: true }] },
          ],
        });
        await client.podInPhase('host', 'Succeeded');
        expect((await client.raw('/api/v1/namespaces/default/pods/host/log')).text).to.equal('yes');
      } finally {
        await rm(directory, { recursive: true });
      }
    });

    it('follows a log until the container has ended', async () => {
      await client.runScript('log', 'for n in 1 2 3; do echo $n; sleep 0.05; done', { restartPolicy: 'Never' });
      await client.podWhen(
        'log',
        ({ status }) => status.containerStatuses?.[0].state.waiting === undefined && status.phase !== 'Pending',
      );
      expect((await client.raw('/api/v1/namespaces/default/pods/log/log?follow=true')).text).to.equal('1\n2\n3\n');
    });

    if (isolation === 'namespaces') {
      it('isolates processes, temporary files and the host name, and never writes to the machine for a mount', async () => {
        await client.runScript('own', 'echo $PPID; sleep 100', {
          volumes: [{ name: 'v', emptyDir: {} }],
          containers: [
            {
              name: 'main',
              image: busybox,
              volumeMounts: [
                { name: 'v', mountPath: '/kw-own/deep' },
                { name: 'v', mountPath: '/usr/kw-own', readOnly: true },
              ],
            },
          ],
        });
        await client.podInPhase('own', 'Running');
        while ((await client.raw('/api/v1/namespaces/default/pods/own/log')).text !== '0\n');
        expect(
          await output(
            'own',
            'ls -A /tmp; cat /proc/sys/kernel/hostname; [ -x /usr/bin/env ] && ls -d /usr/kw-own; ls /proc | grep -c "^[0-9]*$"',
          ),
        ).to.match(/^own\n\/usr\/kw-own\n[2-6]\n$/);
        expect((await sh('own', 'touch /usr/kw-own/x')).stderr.toString()).to.include('Read-only file system');
        expect((await readdir('/')).includes('kw-own')).to.equal(false);
        expect((await readdir('/usr')).includes('kw-own')).to.equal(false);
      });
    } else {
      it('passes the paths behind the mounts to the container', async () => {
        await client.runScript('map', 'sleep 100', {
          volumes: [{ name: 'v', emptyDir: {} }],
          containers: [
            {
              name: 'main',
              image: busybox,
              workingDir: '/kw-map/sub',
              env: [{ name: 'WHERE', value: '/kw-map/x' }],
              volumeMounts: [
                { name: 'v', mountPath: '/kw-map', subPath: 's' },
                { name: 'v', mountPath: '/kw-map/sub', subPath: 't' },
              ],
            },
          ],
        });
        await client.podInPhase('map', 'Running');
        const [map = '', where, cwd] = (
          await output('map', 'printf %s "$KW_PATH_MAP" | head -1; echo "$WHERE"; pwd -P')
        ).split('\n');
        expect(map).to.match(/^\/kw-map\/sub\t\/.*\/volumes\/v\/t$/);
        expect(where).to.match(/\/volumes\/v\/s\/x$/);
        expect(cwd).to.match(/\/volumes\/v\/t$/);
      });
    }
  });
}
