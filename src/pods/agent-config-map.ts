import { ConflictError } from '../errors/cluster.ts';
import type { Architecture } from '../runtime/container.ts';
import { type AgentBinary, type AgentBinaryPath, readAgentBinary } from './agent-binary.ts';

/** The key in the config map, and so the name of the file in the pod. */
const AGENT_FILE_NAME = 'agent';

/** The config map to create. */
export interface AgentConfigMap {
  readonly apiVersion: 'v1';
  readonly kind: 'ConfigMap';
  readonly metadata: { readonly name: string; readonly labels: Record<string, string> };
  readonly immutable: true;
  readonly binaryData: { readonly [AGENT_FILE_NAME]: string };
}

/** The verified fields of an existing config map. */
export interface FoundConfigMap {
  readonly metadata?: { readonly name?: string | undefined; readonly namespace?: string | undefined } | undefined;
  readonly immutable?: boolean | undefined;
  readonly binaryData?: Readonly<Record<string, string>> | undefined;
}

/**
 * Returns the config map with the agent's program for an architecture. Each build has its own name.
 */
export async function readAgentConfigMap(architecture: Architecture, path?: AgentBinaryPath): Promise<AgentConfigMap> {
  return configMapOf(await readAgentBinary(architecture, path));
}

const namePrefix = 'kubernetes-worker-agent-';
const labels = {
  'app.kubernetes.io/name': 'kubernetes-worker-agent',
  'app.kubernetes.io/managed-by': 'kubernetes-worker',
};

/** Selects the config maps that hosts have created, of every version of the library. */
export const agentSelector: string = Object.entries(labels)
  .map((label) => label.join('='))
  .join();

/** Returns the architecture in the name of an agent's config map. */
export function architectureIn(name: string): Architecture | undefined {
  return (['amd64', 'arm64'] as const).find((architecture) => name.startsWith(`${namePrefix}${architecture}-`));
}

/** Returns the config map with this program. */
export function configMapOf({ architecture, bytes, sha256 }: AgentBinary): AgentConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: `${namePrefix}${architecture}-${sha256.slice(0, 12)}`,
      labels: { ...labels },
    },
    immutable: true,
    binaryData: { [AGENT_FILE_NAME]: bytes.toString('base64') },
  };
}

/**
 * Verifies that the config map in the cluster is the expected one, because pods run its content.
 *
 * @throws ConflictError - the config map is missing, has different content, or is not immutable
 */
export function verifyAgentConfigMap(found: FoundConfigMap | undefined, expected: AgentConfigMap): void {
  const problem = problemOf(found, expected);
  if (problem === undefined) return;
  const { name } = expected.metadata;
  throw new ConflictError(
    { verb: 'get', resource: 'configmaps', namespace: found?.metadata?.namespace ?? '' },
    `config map ${name} ${problem}`,
  );
}

function problemOf(found: FoundConfigMap | undefined, expected: AgentConfigMap): string | undefined {
  if (found === undefined) return 'no longer exists';
  if (found.immutable !== true) return 'is not immutable; delete it';
  const content = found.binaryData?.[AGENT_FILE_NAME];
  return content === expected.binaryData[AGENT_FILE_NAME] ? undefined : "differs from this library's agent; delete it";
}
