import { randomUUID } from 'node:crypto';

import { ClientNodeCluster } from '../../src/kubernetes/api/client-node-cluster.ts';
import { podMarks } from '../../src/kubernetes/pod-spec/labels.ts';
import type { CountedDatabase } from './counted-database.ts';

export interface PodPlan {
  readonly workerName: string;
  readonly kubeConfig: string;
  readonly namespace: string;
  readonly image: string;
  /** How many of the pods run. The others have a node selector that no node matches. */
  readonly running: number;
  readonly idle: number;
  /** The grace period. Running pods ignore TERM, and end with it. */
  readonly graceSeconds: number;
  /** The node of the pods that run. @defaultValue the scheduler chooses */
  readonly nodeName?: string | undefined;
}

interface CreatedPod {
  readonly handle: string;
  readonly podName: string;
  readonly podUid: string;
}

const maxConcurrent = 10;

/**
 * Creates pods of a worker, and rows of finished containers for them. Resolves when those that run
 * are ready.
 */
export async function createPods(plan: PodPlan, { query }: CountedDatabase): Promise<void> {
  const { kubeConfig, namespace, running, idle } = plan;
  const cluster = await ClientNodeCluster.fromConfig({ kubeConfig, namespace });
  const { rows } = await query('select id::text as id from kubernetes_worker.installation');
  const [{ id: installationId }] = rows as [{ id: string }];
  const created: CreatedPod[] = [];
  let begun = 0;
  const create = async (): Promise<void> => {
    while (begun < running + idle) {
      begun += 1;
      created.push(await createPod(cluster, plan, { installationId, isIdle: begun > running }));
    }
  };
  await Promise.all(Array.from({ length: maxConcurrent }, create));
  for (;;) {
    const { pods } = await cluster.listPods('bench=running');
    if (pods.filter(({ status }) => status?.phase === 'Running').length === running) break;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  await query(`
    insert into kubernetes_worker.containers
      (handle, worker_name, owner_kind, owner_key, owner_digest, state, pod_name, pod_uid, metadata, settings)
    select
      pod->>'handle', '${plan.workerName}', 'bench', pod->>'handle',
      encode(sha256((pod->>'handle')::bytea), 'hex'), 'destroying',
      pod->>'podName', pod->>'podUid', '{}', '{}'
    from jsonb_array_elements('${JSON.stringify(created)}'::jsonb) as pod`);
}

async function createPod(
  cluster: ClientNodeCluster,
  { workerName, image, graceSeconds, nodeName }: PodPlan,
  { installationId, isIdle }: { readonly installationId: string; readonly isIdle: boolean },
): Promise<CreatedPod> {
  const handle = randomUUID();
  const podName = `reconcile-${handle}`;
  const { labels, annotations } = podMarks({ installationId, workerName, handle });
  const pod = await cluster.createPod({
    metadata: { name: podName, labels: { ...labels, bench: isIdle ? 'idle' : 'running' }, annotations },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: graceSeconds,
      ...(isIdle ? { nodeSelector: { 'kubernetes.io/hostname': 'none' } } : nodeName === undefined ? {} : { nodeName }),
      containers: [{ name: 'main', image, command: ['sh', '-c', "trap '' TERM; while true; do sleep 1; done"] }],
    },
  });
  return { handle, podName, podUid: pod.metadata?.uid ?? '' };
}
