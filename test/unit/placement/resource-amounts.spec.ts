import { expect } from 'chai';

import { ApiUnavailableError } from '../../../src/errors/cluster.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { requestsOf } from '../../../src/placement/resource-amounts.ts';

describe('requestsOf', () => {
  const call = { verb: 'list', resource: 'pods', namespace: 'ci' };
  const requesting = (name: string, cpu: string, memory = '0', restartPolicy?: string) => ({
    name,
    ...(restartPolicy === undefined ? {} : { restartPolicy }),
    resources: { requests: { cpu, memory } },
  });
  const cpuOf = (spec: NonNullable<Pod['spec']>): number => requestsOf({ spec }, call).cpuMilli;

  it('sums the containers and the overhead', () => {
    const containers = [requesting('main', '1500m', '1Gi'), requesting('db', '1', '500M'), { name: 'free' }];
    expect(requestsOf({ spec: { containers, overhead: { cpu: '10m' } } }, call)).to.deep.equal({
      cpuMilli: 2510,
      memoryBytes: 2 ** 30 + 500e6,
      ephemeralStorageBytes: 0,
    });
  });

  it('counts an init container only if it requests more than what runs later', () => {
    const containers = [requesting('main', '1')];
    expect(cpuOf({ containers, initContainers: [requesting('i', '500m')] })).to.equal(1000);
    expect(cpuOf({ containers, initContainers: [requesting('i', '3'), requesting('j', '2')] })).to.equal(3000);
  });

  it('counts an init container that is restarted beside all that follow it', () => {
    const containers = [requesting('main', '1')];
    const sidecar = requesting('s', '500m', '0', 'Always');
    expect(cpuOf({ containers, initContainers: [sidecar] })).to.equal(1500);
    expect(cpuOf({ containers, initContainers: [sidecar, requesting('i', '2')] })).to.equal(2500);
    expect(cpuOf({ containers, initContainers: [requesting('i', '2'), sidecar] })).to.equal(2000);
  });

  it('is nothing for a pod without requests', () => {
    expect(requestsOf({}, call)).to.deep.equal({ cpuMilli: 0, memoryBytes: 0, ephemeralStorageBytes: 0 });
  });

  it('throws if the API server returns what is no quantity', () => {
    expect(() => cpuOf({ containers: [requesting('main', 'much')] })).to.throw(ApiUnavailableError, 'cpu "much"');
  });
});
