import type { CoreV1Api, V1ContainerStatus, V1Pod } from '@kubernetes/client-node';

const logLines = 20;

/** Returns the state of the pods of a namespace, the ends of their logs, and the warnings, as text. */
export async function namespaceReport(core: CoreV1Api, namespace: string): Promise<string> {
  const { items: pods } = await core.listNamespacedPod({ namespace });
  const { items: events } = await core.listNamespacedEvent({ namespace, fieldSelector: 'type=Warning' });
  const ofPods = await Promise.all(pods.map((pod) => podReport(core, pod)));
  const warnings = events.map(
    ({ involvedObject, message }) => `warning: ${involvedObject.name ?? ''}: ${message ?? ''}`,
  );
  return [...ofPods.flat(), ...warnings].join('\n');
}

async function podReport(core: CoreV1Api, { metadata, status }: V1Pod): Promise<readonly string[]> {
  const [namespace, name] = [metadata?.namespace ?? '', metadata?.name ?? ''];
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const logs = containers.map(async (container) => {
    const log = await logOf(core, { namespace, name, container: container.name, previous: container.restartCount > 0 });
    return `pod ${name}, container ${container.name}: ${stateOf(container)}\n${log}`;
  });
  return [`pod ${name}: ${status?.phase ?? 'without a phase'}`, ...(await Promise.all(logs))];
}

function stateOf({ state, restartCount }: V1ContainerStatus): string {
  return `${restartCount} restarts, ${JSON.stringify(state)}`;
}

async function logOf(
  core: CoreV1Api,
  container: { namespace: string; name: string; container: string; previous: boolean },
): Promise<string> {
  return await core
    .readNamespacedPodLog({ ...container, tailLines: logLines })
    .catch((error: unknown) => `no log: ${String(error)}`);
}
