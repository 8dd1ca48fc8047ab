import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';

import { kubectl } from '../process/kubectl.ts';

/**
 * Creates this number of pods with `kubectl apply` and waits until all are ready. Resolves with the
 * time that took, in milliseconds, after the pods no longer exist.
 */
export async function barePods(kubeconfig: string, image: string, count: number): Promise<number> {
  const label = `bench-${randomUUID()}`;
  const at = ['--kubeconfig', kubeconfig];
  const startedAt = performance.now();
  try {
    await apply(at, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: podsOf(label, image, count) }));
    await kubectl([...at, 'wait', '--for=condition=Ready', 'pods', '-l', `bench=${label}`, '--timeout=300s']);
    return performance.now() - startedAt;
  } finally {
    await kubectl([...at, 'delete', 'pods', '-l', `bench=${label}`, '--now']);
  }
}

function podsOf(label: string, image: string, count: number): readonly object[] {
  return Array.from({ length: count }, (_, index) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${label}-${String(index)}`, labels: { bench: label } },
    spec: {
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image, command: ['sleep', '600'] }],
    },
  }));
}

async function apply(at: readonly string[], manifest: string): Promise<void> {
  const child = spawn('kubectl', [...at, 'apply', '-f', '-'], { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(manifest);
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new Error(`kubectl apply ended with status ${String(status)}`);
}
