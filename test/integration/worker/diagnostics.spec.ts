import { createWriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CoreV1Api, KubeConfig, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { EmbeddedCluster } from '../../../src/embedded/index.ts';
import type { KubernetesWorker, PodError } from '../../../src/index.ts';
import { Collector, makeContainer, newOwner } from '../../contract/worker/setup.ts';
import { until } from '../../support/agent/agent-process.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const image = 'busybox:1';
const merge = setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch);

describe('the diagnostics of a pod', () => {
  let cluster: EmbeddedCluster;
  let worker: KubernetesWorker;
  let setup: EmbeddedWorker['setup'];
  let close: (() => Promise<void>) | undefined;
  let api: CoreV1Api;

  before(async () => {
    ({ cluster, setup, worker, close } = await embeddedWorker(image));
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfigPath);
    api = config.makeApiClient(CoreV1Api);
  });

  after(async () => {
    await close?.();
  });

  it('have no effect on a creation whose stderr fails meanwhile', async () => {
    const owner = newOwner();
    const stderr = createWriteStream(join(tmpdir(), owner.key, 'no-such-folder'));
    const { created } = await worker.findOrCreateContainer(owner, { image }, { stderr });
    expect([created, stderr.errored === null]).to.deep.equal([true, false]);
    await worker.ownerFinished(owner);
  });

  const script = 'echo "own words" >&2; echo ready; while :; do sleep 0.05; done';

  it('follow the output of a command whose pod is deleted, and change nothing without a stderr [A20] [A30]', async () => {
    const { container } = await makeContainer(worker, image);
    const [stdout, stderr] = [new Collector(), new Collector()];
    const spec = { path: 'sh', args: ['-c', script] };
    const loud = await container.run({ ...spec, id: 'loud' }, { stdout, stderr });
    const silent = await container.run({ ...spec, id: 'silent' }, {});
    await Promise.all([stdout.shows('ready'), stderr.shows('own words')]);
    const waits = [loud.wait(), silent.wait()].map(rejection);
    await setup.deletePod(container.podName);
    const errors = (await Promise.all(waits)) as PodError[];
    for (const error of errors) {
      expect(error).to.include({ code: 'KW_ERR_POD_DELETED', podName: container.podName });
      expect(error.diagnostics).to.match(
        /^pod default\/\S+( no longer exists; its last known state)?:\n {2}node: \S+\n/,
      );
    }
    expect(stderr.text).to.equal(`own words\n\n${errors[0]!.diagnostics}\n`);
    expect(loud.position()).to.deep.equal({ stdoutBytes: 6, stderrBytes: 10 });
  });

  it('are on the stderr of a command that cannot start, because its pod was deleted [A30]', async () => {
    const { container } = await makeContainer(worker, image);
    await setup.deletePod(container.podName);
    const stderr = new Collector();
    const error = await rejection(container.run({ path: 'true' }, { stderr }));
    expect(error).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: container.handle });
    const { code, diagnostics } = error.cause as PodError;
    expect([code, stderr.text]).to.deep.equal(['KW_ERR_POD_DELETED', `\n${diagnostics}\n`]);
    expect(diagnostics).to.include(`pod default/${container.podName} no longer exists`);
  });

  it('have the reason of an eviction, and the pressure and the cordon of the node [A25]', async () => {
    const { container } = await makeContainer(worker, image);
    const [stdout, stderr] = [new Collector(), new Collector()];
    const process = await container.run({ path: 'sh', args: ['-c', script] }, { stdout, stderr });
    await stdout.shows('ready');
    const waiting = rejection(process.wait());
    const [node] = (await api.listNode()).items;
    const { name = '' } = node!.metadata!;
    const where = { name: container.podName, namespace: 'default' };
    const pressure = { type: 'MemoryPressure', status: 'True', reason: 'Low', message: 'no memory is left' };
    const disruption = { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: 'memory' };
    await api.patchNodeStatus({ name, body: { status: { conditions: [pressure] } } }, merge);
    await api.patchNode({ name, body: { spec: { unschedulable: true } } }, merge);
    await api.patchNamespacedPodStatus({ ...where, body: { status: { conditions: [disruption] } } }, merge);
    await api.deleteNamespacedPod(where);
    expect(await waiting).to.include({ code: 'KW_ERR_POD_EVICTED', nodeName: name, reason: 'TerminationByKubelet' });
    expect(stderr.text.split('\n')).to.include.members([
      `  node: ${name}`,
      '  condition DisruptionTarget: True, TerminationByKubelet: memory',
      `node ${name}:`,
      '  MemoryPressure, Low: no memory is left',
      '  cordoned: it accepts no new pods, and may be drained',
    ]);
    await api.patchNode({ name, body: { spec: { unschedulable: null } } }, merge);
  });

  it('are written by findOrCreateContainer for a pod that does not start in time, masked [A27]', async () => {
    using execs = cluster.faults.add({ kind: 'status', status: 503, match: { subresource: 'exec' } });
    // The phase depends on how fast the machine is.
    const mask = (text: string): string => text.replaceAll(/Pending|Running/g, '***');
    const clock = new VirtualClock(Date.now());
    await using other = await setup.openWith({ startTimeoutMs: 300, mask, clock });
    /** Lets the time run out once the pod is up, and its agent is tried. */
    const late = async (call: Promise<unknown>): Promise<PodError> => {
      const failed = rejection(call);
      const { hits } = execs;
      await until('the agent is tried', () => execs.hits > hits);
      await clock.advance(300);
      return (await failed) as PodError;
    };
    const stderr = new Collector();
    const error = await late(other.findOrCreateContainer(newOwner(), { image }, { stderr }));
    expect(error).to.include({ code: 'KW_ERR_POD_START_TIMEOUT', waitedMs: 300, containerName: 'main' });
    expect(stderr.text).to.equal(`\n${error.diagnostics}\n`);
    expect(stderr.text).to.include('phase: ***');
    const volume = await late(other.createVolumeForArtifact('main'));
    expect(volume.diagnostics).to.include('phase: ***');
  });
});
