// Measures the seconds from the moment when the cluster shows a failure until the host has its
// error. The first sight is that of a watch beside the library's; where no status shows the failure
// it is the provocation. Also checks the code of each error, and whether it is retryable.
// Needs KUBECONFIG, and kubectl on PATH.
//   npm run bench -- failures
import { isKubernetesWorkerError } from '../../src/errors/error-code.ts';
import { FailureCluster, type Provoked } from '../failures/failure-cluster.ts';
import { endedBy, isBeingDeleted, mainHasEnded, type Shows, waitsFor } from '../failures/pod-sightings.ts';
import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { requireRealCluster } from '../harness/real-cluster.ts';

interface Failure {
  readonly what: string;
  readonly code: string;
  readonly retryable: boolean;
  readonly provoke: (cluster: FailureCluster) => Promise<Provoked>;
  /** What the first sight of it is. Without: the provocation. */
  readonly shows?: Shows | undefined;
}

const idle = 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done';
const hog = 'echo ready; exec tail /dev/zero';
const memory = { limits: { memoryBytes: 48 * 1024 * 1024 } };

const remove =
  ({ api, namespace }: FailureCluster, gracePeriodSeconds?: number) =>
  async (name: string): Promise<unknown> =>
    await api.deleteNamespacedPod({
      namespace,
      name,
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    });

function failuresOf(image: string, host: string): readonly Failure[] {
  const pull = { code: 'KW_ERR_IMAGE_PULL_FAILED', retryable: false, shows: waitsFor('ErrImagePull') };
  const deleted = { code: 'KW_ERR_POD_DELETED', retryable: false };
  const failed = { code: 'KW_ERR_POD_FAILED', retryable: false };
  return [
    { ...pull, what: 'an image does not exist', provoke: (c) => c.creation({ image: `${host}:5000/none:1` }) },
    { ...pull, what: 'a registry needs a login', provoke: (c) => c.creation({ image: `${host}:5001/busybox:1` }) },
    {
      ...failed,
      what: 'a container must not be root, and is',
      provoke: (c) => c.creation({}, { pods: { runAsNonRoot: true } }),
      shows: waitsFor('CreateContainerConfigError'),
    },
    {
      ...failed,
      what: 'the program of a sidecar is missing, a command runs',
      provoke: (c) => c.command({ script: idle, sidecars: [{ name: 'db', image, command: ['/no/such'] }] }),
      shows: waitsFor('StartError', 'RunContainerError'),
    },
    {
      code: 'KW_ERR_EXECUTABLE_NOT_FOUND',
      retryable: false,
      what: 'the program of a command is missing',
      provoke: (c) => c.missingProgram(),
    },
    {
      ...deleted,
      what: 'a pod without a node is deleted',
      provoke: (c) => c.creation({ limits: { cpuMilli: 4_000_000 } }, {}, { at: 'unschedulable', call: remove(c) }),
      shows: isBeingDeleted,
    },
    {
      ...deleted,
      what: 'a pod that pulls its image is deleted',
      provoke: (c) => c.creation({ image: `${host}:5000/none:1` }, {}, { at: 'pulling', call: remove(c) }),
      shows: isBeingDeleted,
    },
    {
      ...deleted,
      what: 'a pod is deleted, a command runs: from its end',
      provoke: (c) => c.command({ script: idle, act: remove(c) }),
      shows: mainHasEnded,
    },
    {
      ...deleted,
      what: 'a pod is deleted by force, a command runs',
      provoke: (c) => c.command({ script: idle, act: remove(c, 0) }),
      shows: isBeingDeleted,
    },
    {
      code: 'KW_ERR_POD_EVICTED',
      retryable: true,
      what: 'a pod is evicted by the API, a command runs: from its end',
      provoke: (c) => c.command({ script: idle, act: (name) => c.evict(name) }),
      shows: mainHasEnded,
    },
    {
      code: 'KW_ERR_OUT_OF_MEMORY',
      retryable: false,
      what: 'a command runs out of memory: from its start',
      provoke: (c) => c.command({ script: hog, ...memory }),
    },
    {
      code: 'KW_ERR_OUT_OF_MEMORY',
      retryable: false,
      what: 'a sidecar runs out of memory, a command runs',
      provoke: (c) =>
        c.command({
          script: idle,
          sidecars: [{ name: 'db', image, command: ['sh', '-c', 'sleep 4; exec tail /dev/zero'], ...memory }],
        }),
      shows: endedBy('OOMKilled'),
    },
  ];
}

function caseOf({ what, code, retryable, provoke, shows }: Failure, cluster: FailureCluster): BenchCase {
  return {
    name: `${what}: ${code}, ${retryable ? '' : 'not '}retryable`,
    unit: 's',
    better: 'lower',
    pairs: 3,
    warmUps: 0,
    ours: async () => {
      const { error, provokedMs, rejectedMs } = await provoke(cluster);
      if (!isKubernetesWorkerError(error) || error.code !== code || error.retryable !== retryable) throw error;
      const podName = 'podName' in error ? String(error.podName) : '';
      const shownMs = shows === undefined ? provokedMs : await cluster.sightings.first(podName, shows);
      // The library's watch may be the first to receive the event.
      return Math.max(0, rejectedMs - shownMs) / 1000;
    },
  };
}

export const benchmark: Benchmark = {
  settings: {
    image: { value: 'registry.local/busybox:1', meaning: 'of the pods: with a shell and tail' },
    registry: { value: 'registry.local', meaning: 'the host of a registry; its port 5001 needs a login' },
  },
  open: async ({ setting }) => {
    const image = setting('image');
    const cluster = await FailureCluster.open(requireRealCluster(), image);
    return {
      cases: failuresOf(image, setting('registry')).map((failure) => caseOf(failure, cluster)),
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    };
  },
};
