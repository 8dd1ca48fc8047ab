import type { V1PodSpec } from '@kubernetes/client-node';

import type { Architecture } from '../../runtime/container.ts';
import type { PodOptions } from '../../runtime/pod-options.ts';
import { copyOf } from './copy-of.ts';

/** Returns the part of a pod that decides on which node it runs. */
export function placement(architecture: Architecture, options: PodOptions): Partial<V1PodSpec> {
  const { nodeSelector, tolerations, priorityClassName, runtimeClassName, affinity } = options;
  const { topologySpreadConstraints: constraints } = options;
  return {
    nodeSelector: { ...nodeSelector, 'kubernetes.io/arch': architecture, 'kubernetes.io/os': 'linux' },
    ...(tolerations === undefined ? {} : { tolerations: tolerations.map((one) => copyOf(one)) }),
    ...(affinity === undefined ? {} : { affinity: copyOf(affinity) }),
    ...(constraints === undefined ? {} : { topologySpreadConstraints: constraints.map((one) => copyOf(one)) }),
    ...(priorityClassName === undefined ? {} : { priorityClassName }),
    ...(runtimeClassName === undefined ? {} : { runtimeClassName }),
  };
}
