import { expect } from 'chai';

import { isGeneratedName } from '../../../../src/kubernetes/pod-spec/pod-name.ts';
import {
  optionsAnnotation,
  optionsDigest,
  storePodName,
  storePodRequest,
} from '../../../../src/stores/pvc/store-pod-request.ts';

const facts = { installationId: 'i-1', workerName: 'ci', image: 'pause' };

describe('storePodName', () => {
  it('is a label of at most 63 characters, and always the same for a claim', () => {
    for (const claim of ['archives', 'a'.repeat(253), 'ci.archives.example', '9'])
      expect(storePodName(claim, facts)).to.match(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])$/);
    expect(storePodName('archives', facts)).to.equal(storePodName('archives', { ...facts }));
  });

  it('differs for other claims, workers and installations', () => {
    const others = [
      storePodName('a.b', facts),
      storePodName('a-b', facts),
      storePodName('a-b', { ...facts, workerName: 'other' }),
      storePodName('a-b', { ...facts, installationId: 'i-2' }),
    ];
    expect(new Set(others).size).to.equal(4);
  });

  it('is the handle of the pod as well, so that a connection reads no pod first', () => {
    const name = storePodName('archives', facts);
    expect(isGeneratedName(name, name)).to.equal(true);
  });
});

describe('storePodRequest', () => {
  it('has restricted security with the user and group 65532, and no volume of a container', () => {
    const request = storePodRequest({ claim: 'archives' }, facts);
    expect(request).to.deep.include({ storeClaim: 'archives', image: 'pause', volumes: [], sidecars: [] });
    expect(request.handle).to.equal(request.podName);
    expect(request.podOptions).to.deep.include({
      security: 'restricted',
      runAsUser: 65_532,
      runAsGroup: 65_532,
      fsGroup: 65_532,
      dropCapabilities: ['ALL'],
      addCapabilities: [],
      automountServiceAccountToken: false,
    });
  });

  it('passes on the options of the store', () => {
    const pod = { nodeSelector: { disk: 'ssd' }, annotations: { a: 'b' } };
    const options = { claim: 'archives', user: 1000, group: 2000, limits: { memoryBytes: 1 }, pod };
    const { limits, podOptions } = storePodRequest(options, facts);
    expect(limits).to.deep.equal({ memoryBytes: 1 });
    expect(podOptions).to.deep.include({ runAsUser: 1000, fsGroup: 2000, nodeSelector: { disk: 'ssd' } });
    expect(podOptions?.annotations).to.deep.equal({ a: 'b', [optionsAnnotation]: optionsDigest(options) });
  });

  it('has a digest of the options that changes with each of them, and not with their order', () => {
    const digests = [
      {},
      { user: 1 },
      { group: 1 },
      { limits: { cpuMilli: 1 } },
      { requests: { cpuMilli: 1 } },
      { pod: { labels: { a: 'b' } } },
    ].map((options) => optionsDigest({ claim: 'c', ...options }));
    expect(new Set(digests).size).to.equal(digests.length);
    expect(optionsDigest({ claim: 'c', limits: { cpuMilli: 1, memoryBytes: 2 } })).to.equal(
      optionsDigest({ claim: 'other', limits: { memoryBytes: 2, cpuMilli: 1 }, user: 65_532 }),
    );
  });
});
