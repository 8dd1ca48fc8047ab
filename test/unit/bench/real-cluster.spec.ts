import { expect } from 'chai';

import { UsageError } from '../../../bench/harness/arguments.ts';
import { requireRealCluster } from '../../../bench/harness/real-cluster.ts';

describe('requireRealCluster', () => {
  it('throws a usage error if KUBECONFIG is not set', () => {
    for (const env of [{}, { KUBECONFIG: '' }])
      expect(() => requireRealCluster(env)).to.throw(UsageError, 'KUBECONFIG is not set');
  });

  it('throws a usage error if kubectl is not on PATH', () => {
    expect(() => requireRealCluster({ KUBECONFIG: '/some/config', PATH: '/nonexistent' })).to.throw(
      UsageError,
      'kubectl is not on PATH',
    );
  });
});
