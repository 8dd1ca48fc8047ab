import type { ContainerSpec } from '../../src/index.ts';
import type { Failure } from './failure.ts';
import { type FailureCluster, onNode, type Provoked } from './failure-cluster.ts';
import { endedBy, hasNoNode, isBeingDeleted, mainHasEnded, waitsFor } from './pod-sightings.ts';

const idle = 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done';
const hog = 'tail /dev/zero';
const memory = { limits: { memoryBytes: 48 * 1024 * 1024 } };
const missingClaim: Partial<ContainerSpec> = {
  pod: { overlay: { spec: { volumes: [{ name: 'x', persistentVolumeClaim: { claimName: 'none' } }] } } },
};

const remove =
  ({ api, namespace }: FailureCluster, gracePeriodSeconds?: number) =>
  async (name: string): Promise<unknown> =>
    await api.deleteNamespacedPod({
      namespace,
      name,
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    });

/** The failures that concern only the pods of the benchmark, and for a moment the node of a drain. */
export function podFailures(image: string, registry: string): readonly Failure[] {
  return [
    ...startFailures(image, registry),
    ...admissionFailures(),
    ...deletions(registry),
    ...memoryFailures(image),
    ...nodeFailures(),
  ];
}

function startFailures(image: string, registry: string): readonly Failure[] {
  const pull = {
    code: 'KW_ERR_IMAGE_PULL_FAILED',
    retryable: false,
    shows: waitsFor('ErrImagePull', 'ImagePullBackOff'),
  };
  const failed = { code: 'KW_ERR_POD_FAILED', retryable: false };
  return [
    { ...pull, what: 'an image does not exist', provoke: (c) => c.creation({ image: `${registry}:5000/none:1` }) },
    { ...pull, what: 'a registry needs a login', provoke: (c) => c.creation({ image: `${registry}:5001/busybox:1` }) },
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
      provoke: (c) => c.nextRun('/no/such'),
    },
    {
      code: 'KW_ERR_POD_UNSCHEDULABLE',
      retryable: true,
      what: 'a claim does not exist: until the notice',
      provoke: (c) => c.creation(missingClaim, { schedulingTimeoutMs: 3_000 }, { notice: 'unschedulable' }),
      shows: hasNoNode,
    },
  ];
}

function admissionFailures(): readonly Failure[] {
  return [
    {
      code: 'KW_ERR_QUOTA_EXCEEDED',
      retryable: true,
      what: 'a quota has no room: until the notice',
      provoke: async (c) => {
        await c.forbidPods();
        try {
          return await c.creation({}, { schedulingTimeoutMs: 3_000 }, { notice: 'waiting-for-quota' });
        } finally {
          await c.permitPods();
        }
      },
    },
    {
      code: undefined,
      retryable: false,
      what: 'a quota has room again: until the container is ready',
      provoke: async (c) => {
        await c.forbidPods();
        return await c.creation({}, {}, { at: 'waiting-for-quota', act: () => c.permitPods() });
      },
    },
    {
      code: 'KW_ERR_ADMISSION_DENIED',
      retryable: false,
      what: 'Pod Security `restricted` denies a pod',
      provoke: async (c) => {
        await c.enforce('restricted');
        try {
          return await c.creation({});
        } finally {
          await c.enforce(null);
        }
      },
    },
  ];
}

function deletions(registry: string): readonly Failure[] {
  const deleted = { code: 'KW_ERR_POD_DELETED', retryable: false };
  return [
    {
      ...deleted,
      what: 'a pod without a node is deleted',
      provoke: (c) => c.creation({ limits: { cpuMilli: 4_000_000 } }, {}, { at: 'unschedulable', act: remove(c) }),
      shows: isBeingDeleted,
    },
    {
      ...deleted,
      what: 'a pod that pulls its image is deleted',
      provoke: (c) => c.creation({ image: `${registry}:5000/none:1` }, {}, { at: 'pulling', act: remove(c) }),
      shows: isBeingDeleted,
    },
    {
      ...deleted,
      what: 'a pod whose containers are created is deleted',
      provoke: (c) => c.creation({}, {}, { at: 'scheduled', act: remove(c) }),
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
      code: 'KW_ERR_CONTAINER_DISAPPEARED',
      retryable: false,
      what: 'a command starts after its pod was deleted',
      provoke: (c) => c.nextRun('true', {}, { act: (name) => c.removed(name) }),
    },
    {
      code: 'KW_ERR_POD_EVICTED',
      retryable: true,
      what: 'a pod is evicted by the API, a command runs: from its end',
      provoke: (c) => c.command({ script: idle, act: (name) => c.evict(name) }),
      shows: mainHasEnded,
    },
  ];
}

function memoryFailures(image: string): readonly Failure[] {
  const code = { code: 'KW_ERR_OUT_OF_MEMORY', retryable: false };
  return [
    {
      ...code,
      what: 'a command runs out of memory: from its start',
      provoke: (c) => c.command({ script: `echo ready; exec ${hog}`, ...memory }),
    },
    {
      ...code,
      what: 'a child of a command runs out of memory: from its start',
      provoke: (c) => c.command({ script: `echo ready; ${hog}; exit $?`, ...memory }),
    },
    {
      ...code,
      what: 'the agent is killed for memory, a command runs: from its start',
      provoke: (c) =>
        c.command({
          // The kernel spares the processes of a pod whose requests are its limits, but not one that has
          // raised its own score.
          script: `echo 1000 > /proc/1/oom_score_adj; echo ready; for i in 1 2 3; do ${hog} & done; exec ${hog}`,
          limits: { ...memory.limits, cpuMilli: 200 },
        }),
    },
    {
      ...code,
      what: 'a sidecar runs out of memory, a command runs',
      provoke: (c) =>
        c.command({
          script: idle,
          sidecars: [{ name: 'db', image, command: ['sh', '-c', `sleep 4; exec ${hog}`], ...memory }],
        }),
      shows: endedBy('OOMKilled'),
    },
  ];
}

function nodeFailures(): readonly Failure[] {
  return [
    {
      code: 'KW_ERR_POD_EVICTED',
      retryable: true,
      what: 'the node of a pod is drained, a command runs: from its end',
      provoke: (c) =>
        onCordonedNode(c, async (name, cordon) =>
          c.command({
            script: idle,
            ...onNode(name),
            act: async (podName) => {
              await cordon();
              await c.evict(podName);
            },
          }),
        ),
      shows: mainHasEnded,
    },
    {
      code: 'KW_ERR_POD_UNSCHEDULABLE',
      retryable: true,
      what: 'the only node for a pod is cordoned: until the notice',
      provoke: (c) =>
        onCordonedNode(c, async (name, cordon) => {
          await cordon();
          return await c.creation(onNode(name), { schedulingTimeoutMs: 3_000 }, { notice: 'unschedulable' });
        }),
      shows: hasNoNode,
    },
  ];
}

/** Runs work that may cordon a node. */
async function onCordonedNode(
  cluster: FailureCluster,
  work: (nodeName: string, cordon: () => Promise<void>) => Promise<Provoked>,
): Promise<Provoked> {
  const name = (await cluster.api.listNode()).items.at(-1)?.metadata?.name ?? '';
  try {
    return await work(name, () => cluster.cordon(name, true));
  } finally {
    await cluster.cordon(name, false);
  }
}
