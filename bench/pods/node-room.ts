import { kubectl } from '../process/kubectl.ts';

/** What decides how many pods a node accepts. */
interface NodeFacts {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly unschedulable?: boolean;
    readonly taints?: readonly { readonly effect: string }[];
  };
  readonly status: {
    readonly allocatable: { readonly pods: string };
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  };
}

interface PodFacts {
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly phase?: string };
}

/** The pods that the nodes accept, and those that they have. */
export interface NodeRoom {
  readonly nodes: number;
  readonly accepted: number;
  readonly present: number;
}

/** Counts only nodes that a pod without tolerations may run on. */
export function roomOf(nodes: readonly NodeFacts[], pods: readonly PodFacts[]): NodeRoom {
  const usable = nodes.filter(isUsable);
  const names = new Set(usable.map(({ metadata }) => metadata.name));
  const present = pods.filter(
    ({ spec, status }) => names.has(spec.nodeName ?? '') && status.phase !== 'Succeeded' && status.phase !== 'Failed',
  );
  const accepted = usable.reduce((total, { status }) => total + Number(status.allocatable.pods), 0);
  return { nodes: usable.length, accepted, present: present.length };
}

/** Returns why this number of pods cannot run at once. `undefined` if the nodes have room for them. */
export function lackOfRoom(count: number, { nodes, accepted, present }: NodeRoom): string | undefined {
  const room = Math.max(0, accepted - present);
  if (count <= room) return undefined;
  return `counts: ${String(count)} pods have no room at once: the ${String(nodes)} usable nodes accept ${String(accepted)} pods and have ${String(present)}, which leaves ${String(room)}`;
}

/** Reads the room of the cluster now. */
export async function nodeRoom(kubeconfig: string): Promise<NodeRoom> {
  const [nodes, pods] = await Promise.all([
    itemsOf<NodeFacts>(kubeconfig, ['nodes']),
    itemsOf<PodFacts>(kubeconfig, ['pods', '--all-namespaces']),
  ]);
  return roomOf(nodes, pods);
}

function isUsable({ spec, status }: NodeFacts): boolean {
  const isReady = status.conditions.some((condition) => condition.type === 'Ready' && condition.status === 'True');
  const isTainted = spec.taints?.some(({ effect }) => effect !== 'PreferNoSchedule') ?? false;
  return isReady && spec.unschedulable !== true && !isTainted;
}

async function itemsOf<T>(kubeconfig: string, what: readonly string[]): Promise<readonly T[]> {
  const chunks: Buffer[] = [];
  await kubectl(['--kubeconfig', kubeconfig, 'get', ...what, '-o', 'json'], (chunk) => chunks.push(chunk));
  return (JSON.parse(Buffer.concat(chunks).toString()) as { readonly items: readonly T[] }).items;
}
