import type { V1PodSpec } from '@kubernetes/client-node';
import { expect } from 'chai';
import { unschedulableReason } from '../../../../src/embedded/kubelet/scheduling.ts';
import type { Pod } from '../../../../src/embedded/objects/api-object.ts';

const node = { name: 'here', labels: { 'kubernetes.io/arch': 'amd64', zone: '3' }, cpuCores: 2, memoryBytes: 2 ** 30 };

function pod(spec: Partial<V1PodSpec> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { containers: [{ name: 'main', image: 'x' }], ...spec },
    status: { phase: 'Pending' },
  };
}

describe('unschedulableReason', () => {
  const affinity = (key: string, operator: string, values: string[] = []): Partial<V1PodSpec> => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }],
        },
      },
    },
  });
  const requests = (name: string, value: string): Partial<V1PodSpec> => ({
    containers: [{ name: 'a', image: 'x', resources: { requests: { [name]: value } } }],
  });
  const fitting: readonly (readonly [string, Partial<V1PodSpec>])[] = [
    ['requests nothing', {}],
    ['selects a label of the node', { nodeSelector: { 'kubernetes.io/arch': 'amd64' } }],
    ['has a matching affinity', affinity('kubernetes.io/arch', 'In', ['arm64', 'amd64'])],
    ['requires the absence of a label', affinity('gpu', 'DoesNotExist')],
    ['compares numbers', affinity('zone', 'Gt', ['2'])],
    ['requests the capacity of the node', requests('cpu', '2')],
  ];
  for (const [name, spec] of fitting) {
    it(`schedules a pod that ${name}`, () => {
      expect(unschedulableReason(pod(spec), node)).to.equal(undefined);
    });
  }
  const tooMuch: readonly (readonly [string, Partial<V1PodSpec>, string])[] = [
    ['selects another label', { nodeSelector: { a: 'b' } }, "1 node(s) didn't match Pod's node affinity/selector"],
    [
      'has an affinity that does not match',
      affinity('kubernetes.io/arch', 'NotIn', ['amd64']),
      "1 node(s) didn't match Pod's node affinity/selector",
    ],
    ['requests too many processors', requests('cpu', '2500m'), '1 Insufficient cpu'],
    ['requests too much memory', requests('memory', '2Gi'), '1 Insufficient memory'],
  ];
  for (const [name, spec, reason] of tooMuch) {
    it(`does not schedule a pod that ${name}`, () => {
      expect(unschedulableReason(pod(spec), node))
        .to.match(/^0\/1 nodes are available: /)
        .and.to.include(reason);
    });
  }
});
