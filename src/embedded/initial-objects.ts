import { cpus, hostname, totalmem } from 'node:os';
import type { NodeFacts } from './kubelet/scheduling.ts';
import { apiTime } from './objects/api-object.ts';
import type { ObjectStore } from './objects/object-store.ts';

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };

/** Returns this machine's architecture under its Kubernetes name. */
export function kubernetesArch(): string {
  return architectures[process.arch] ?? process.arch;
}

/** Returns this machine's properties as a node. */
export function describeNode(): NodeFacts {
  const name =
    hostname()
      .toLowerCase()
      .replaceAll(/[^a-z0-9.-]/g, '-')
      .replaceAll(/^[-.]+|[-.]+$/g, '') || 'embedded';
  const arch = kubernetesArch();
  return {
    name,
    labels: {
      'kubernetes.io/arch': arch,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/hostname': name,
      'beta.kubernetes.io/arch': arch,
      'beta.kubernetes.io/os': 'linux',
    },
    cpuCores: cpus().length || 1,
    memoryBytes: totalmem(),
  };
}

/**
 * Creates the objects of a new cluster: the namespaces with their service accounts, and the node. A
 * namespace that is created later also gets its service account.
 */
export function createInitialObjects(store: ObjectStore, node: NodeFacts, namespaces: readonly string[]): void {
  store.subscribe('namespaces', ({ type, object }) => {
    if (type !== 'ADDED') return;
    store.create('serviceaccounts', {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default', namespace: object.metadata.name },
    });
  });
  for (const name of new Set(['default', ...namespaces])) {
    store.create('namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    });
  }
  const now = apiTime(Date.now());
  const condition = (type: string, status: string, reason: string) => ({
    type,
    status,
    reason,
    message: '',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  const resources = { cpu: String(node.cpuCores), memory: `${Math.floor(node.memoryBytes / 1024)}Ki`, pods: '1000' };
  store.create('nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node.name, labels: node.labels },
    spec: {},
    status: {
      capacity: resources,
      allocatable: resources,
      conditions: [
        condition('Ready', 'True', 'KubeletReady'),
        condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory'),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure'),
      ],
      addresses: [
        { type: 'InternalIP', address: '127.0.0.1' },
        { type: 'Hostname', address: node.name },
      ],
      nodeInfo: {
        architecture: kubernetesArch(),
        operatingSystem: 'linux',
        kubeletVersion: 'v1.34.0+embedded',
        containerRuntimeVersion: 'embedded://1',
        kernelVersion: '',
        osImage: 'this machine',
        bootID: '',
        machineID: '',
        systemUUID: '',
        kubeProxyVersion: '',
      },
    },
  });
}
