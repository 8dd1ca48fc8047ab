import type { ConfigMap } from './kubernetes/cluster.ts';
import { readAgentConfigMap } from './pods/agent-config-map.ts';
import type { Architecture } from './runtime/container.ts';
import { checkShape } from './validation/shape.ts';
import { agentConfigMapOptions } from './validation/worker-shapes.ts';
import type { KubernetesWorkerOptions } from './worker-options.ts';

/**
 * Options of `agentConfigMap`.
 *
 * @public
 */
export interface AgentConfigMapOptions {
  /** The namespace of the worker's pods. @defaultValue that of the program which creates it */
  readonly namespace?: string | undefined;
  /** The architecture of the nodes. Each architecture has its own config map. @defaultValue `amd64` */
  readonly architecture?: Architecture | undefined;
  /** See `KubernetesWorkerOptions.agentBinary`. @defaultValue the program in the package */
  readonly agentBinary?: KubernetesWorkerOptions['agentBinary'];
}

/**
 * Returns the config map with the agent of this version of the library, as an object that serializes
 * to JSON or YAML, for a worker with the option `agentConfigMap: 'existing'`. It connects to nothing.
 *
 * @example
 * ```ts
 * import { agentConfigMap } from 'kubernetes-worker';
 *
 * // node install.js | kubectl apply --server-side -f -
 * console.log(JSON.stringify(await agentConfigMap({ namespace: 'ci', architecture: 'arm64' })));
 * ```
 *
 * @throws InvalidSpecError if an option is invalid or the program is not the agent
 *
 * @public
 */
export async function agentConfigMap(options: AgentConfigMapOptions = {}): Promise<ConfigMap> {
  checkShape('options', agentConfigMapOptions, options);
  const { namespace, architecture = 'amd64', agentBinary } = options;
  const { metadata, ...rest } = await readAgentConfigMap(architecture, agentBinary);
  // Without the label of those that hosts have created, so that no reaper deletes it.
  const labels = { 'app.kubernetes.io/name': 'kubernetes-worker-agent' };
  return { ...rest, metadata: { ...metadata, labels, ...(namespace === undefined ? {} : { namespace }) } };
}
