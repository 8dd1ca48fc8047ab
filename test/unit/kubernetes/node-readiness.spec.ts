import { expect } from 'chai';

import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { isNodeNotReady } from '../../../src/kubernetes/pod-state/node-readiness.ts';

function podWith(conditions: Record<string, string>, spec: Partial<Pod['spec']> = {}): Pod {
  const list = Object.entries(conditions).map(([type, status]) => ({ type, status }));
  return { spec: { containers: [], ...spec }, status: { conditions: list } };
}

describe('isNodeNotReady', () => {
  const marked = { Ready: 'False', ContainersReady: 'True' };

  it('is true if only Kubernetes has set the pod to not ready', () => {
    expect(isNodeNotReady(podWith(marked))).to.equal(true);
  });

  const reporting: Readonly<Record<string, Pod>> = {
    'is ready': podWith({ Ready: 'True', ContainersReady: 'True' }),
    'has a container that is not ready': podWith({ Ready: 'False', ContainersReady: 'False' }),
    'has a readiness gate': podWith(marked, { readinessGates: [{ conditionType: 'x/y' }] }),
    'has no conditions': {},
  };
  for (const [what, pod] of Object.entries(reporting)) {
    it(`is false for a pod that ${what}`, () => {
      expect(isNodeNotReady(pod)).to.equal(false);
    });
  }
});
