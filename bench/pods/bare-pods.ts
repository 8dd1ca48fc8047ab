import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { kubectl } from '../process/kubectl.ts';
import { type KubectlCost, MeteredKubectl } from './metered-kubectl.ts';

/** The figures of pods that kubectl creates and watches. */
export interface BarePodsReport extends Readonly<KubectlCost> {
  /** From the creation to the report that each pod is ready, in order of size, in milliseconds. */
  readonly readyMs: readonly number[];
}

const limitMs = 900_000;
const nameAndReadiness = `jsonpath={.metadata.name}{" "}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}`;

/**
 * Creates this number of pods with `kubectl apply` and waits with one `kubectl get --watch` until
 * all are ready. Resolves after the pods no longer exist.
 */
export async function barePods(kubeconfig: string, image: string, count: number): Promise<BarePodsReport> {
  const label = `bench-${randomUUID()}`;
  const at = ['--kubeconfig', kubeconfig];
  const selected = ['pods', '-l', `bench=${label}`];
  const cost: KubectlCost = { requests: 0, watches: 0, cpuMs: 0, residentMiB: 0 };
  const ready = new Map<string, number>();
  const all = Promise.withResolvers<void>();
  const startedAt = performance.now();
  const watch = new MeteredKubectl([...at, 'get', ...selected, '--watch', '-o', nameAndReadiness], cost, (line) => {
    const [name = '', status] = line.split(' ');
    if (status === 'True' && !ready.has(name)) ready.set(name, performance.now() - startedAt);
    if (ready.size === count) all.resolve();
  });
  try {
    const manifest = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: podsOf(label, image, count) });
    await new MeteredKubectl([...at, 'apply', '-f', '-'], cost).done(manifest);
    await Promise.race([all.promise, sleep(limitMs, undefined, { ref: false })]);
  } finally {
    await watch.stop();
    await kubectl([...at, 'delete', ...selected, '--now']);
  }
  // The format of the log differs between versions of kubectl.
  if (cost.requests === 0) throw new Error('no request was recognised in the log of this kubectl: use version 1.34');
  if (ready.size < count) throw new Error(`${String(count - ready.size)} of ${String(count)} pods are not ready`);
  return { ...cost, readyMs: [...ready.values()].sort((a, b) => a - b) };
}

function podsOf(label: string, image: string, count: number): readonly object[] {
  return Array.from({ length: count }, (_, index) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${label}-${String(index)}`, labels: { bench: label } },
    spec: {
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image, command: ['sleep', '3600'] }],
    },
  }));
}
