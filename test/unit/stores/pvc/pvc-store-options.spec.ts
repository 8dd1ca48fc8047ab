import { expect } from 'chai';

import { InvalidSpecError } from '../../../../src/errors/caller.ts';
import type { PvcStoreOptions } from '../../../../src/runtime/pvc-store-options.ts';
import { checkPvcStoreOptions } from '../../../../src/stores/pvc/open-pvc-store.ts';
import { pvcStoreOptions } from '../../../../src/validation/pvc-store-shapes.ts';
import { checkShape } from '../../../../src/validation/shape.ts';

const check = (options: PvcStoreOptions) => () => checkPvcStoreOptions('stores.pvc', options);
const shape = (options: unknown) => () => checkShape('stores.pvc', pvcStoreOptions, options);

describe('PvcStoreOptions', () => {
  it('need the name of a claim only', () => {
    shape({ claim: 'archives' })();
    check({ claim: 'archives.ci-1' })();
    expect(shape({})).to.throw(InvalidSpecError, 'claim: is missing');
  });

  it('accept placement, resources, a user and a group', () => {
    const pod = {
      nodeSelector: { a: 'b' },
      tolerations: [{ key: 'k' }],
      annotations: { 'gke-gcsfuse/volumes': 'true' },
    };
    const options = {
      claim: 'c',
      name: 'disk',
      user: 1,
      group: 2,
      limits: { memoryBytes: 1 },
      requests: { cpuMilli: 1 },
      pod,
    };
    shape(options)();
    check(options)();
  });

  for (const [field, options] of [
    ['size', { claim: 'c', size: 1 }],
    ['pod.runAsUser', { claim: 'c', pod: { runAsUser: 0 } }],
    ['pod.overlay', { claim: 'c', pod: { overlay: {} } }],
    ['user', { claim: 'c', user: '0' }],
    ['limits.gpu', { claim: 'c', limits: { gpu: 1 } }],
  ] as const)
    it(`refuse ${field}`, () => {
      expect(shape(options)).to.throw(InvalidSpecError).with.property('message').that.includes(`${field}: `);
    });

  for (const [field, options] of [
    ['stores.pvc.claim', { claim: '' }],
    ['stores.pvc.claim', { claim: 'Archives' }],
    ['stores.pvc.claim', { claim: 'a/b' }],
    ['stores.pvc.claim', { claim: 'a'.repeat(254) }],
    ['stores.pvc.name', { claim: 'c', name: 'pod' }],
    ['stores.pvc.name', { claim: 'c', name: '' }],
    ['stores.pvc.user', { claim: 'c', user: 0 }],
    ['stores.pvc.user', { claim: 'c', user: 1.5 }],
    ['stores.pvc.group', { claim: 'c', group: 2 ** 31 }],
    [
      'stores.pvc.pod.labels.kubernetes-worker/store',
      { claim: 'c', pod: { labels: { 'kubernetes-worker/store': 'x' } } },
    ],
  ] as const)
    it(`refuse the value of ${field}: ${JSON.stringify(options).slice(0, 60)}`, () => {
      expect(check(options)).to.throw(InvalidSpecError).with.property('message').that.includes(`${field}: `);
    });
});
