import { expect } from 'chai';
import * as v from 'valibot';

import { InvalidSpecError, KubernetesWorker } from '../../../src/index.ts';
import { checkShape } from '../../../src/validation/shape.ts';
import { rejection } from '../../support/rejection.ts';

describe('checkShape', () => {
  const shape = v.object({
    name: v.string(),
    mode: v.optional(v.picklist(['a', 'b'])),
    list: v.optional(v.array(v.object({ count: v.number() }))),
  });
  const check = (value: unknown) => () => checkShape('spec', shape, value);

  it('accepts a value that has the shape, and any other fields', () => {
    check({ name: 'x', more: 1 })();
    check({ name: 'x', mode: 'a', list: [{ count: 1 }] })();
  });

  it('names the first missing or wrong field by its path', () => {
    expect(check(undefined)).to.throw(InvalidSpecError, 'spec: is missing');
    expect(check(7)).to.throw(InvalidSpecError, 'spec: is not an object');
    expect(check({})).to.throw(InvalidSpecError, 'name: is missing');
    expect(check({ name: null })).to.throw(InvalidSpecError, 'name: is not a string');
    expect(check({ name: 'x', mode: 'secret' })).to.throw(InvalidSpecError, 'mode: is not one of ("a" | "b")');
    expect(check({ name: 'x', list: {} })).to.throw(InvalidSpecError, 'list: is not a list');
    expect(check({ name: 'x', list: [{ count: 1 }, { count: '1' }] })).to.throw(
      InvalidSpecError,
      'list[1].count: is not a number',
    );
  });

  it('names a field that an object without further fields does not have', () => {
    const strict = v.object({ pods: v.strictObject({ a: v.optional(v.string()) }) });
    const checkStrict = (value: unknown) => () => checkShape('spec', strict, value);
    expect(checkStrict({ pods: { b: 'hunter2' } })).to.throw(InvalidSpecError, /^pods\.b: is not supported$/);
    expect(checkStrict({ pods: 1 })).to.throw(InvalidSpecError, /^pods: is not an object$/);
    checkStrict({ pods: {}, more: 1 })();
  });

  it('never prints a value', () => {
    for (const wrong of [
      { name: { hunter2: 'hunter2' } },
      { name: 'x', mode: 'hunter2' },
      { name: 'x', list: 'hunter2' },
    ])
      expect(check(wrong)).to.throw(InvalidSpecError).with.property('message').that.does.not.include('hunter2');
  });
});

describe('KubernetesWorker.open from plain JavaScript', () => {
  const wrong: readonly (readonly [field: string, options: unknown])[] = [
    ['options', undefined],
    ['name', { database: 'postgres://db/ci' }],
    ['database', { name: 'w' }],
    ['mask', { name: 'w', database: 'postgres://db/ci', mask: /secret/ }],
    ['logger', { name: 'w', database: 'postgres://db/ci', logger: {} }],
    [
      'pods.tolerations[0].effect',
      { name: 'w', database: 'postgres://db/ci', pods: { tolerations: [{ effect: 'Never' }] } },
    ],
    ['pods.toleration', { name: 'w', database: 'postgres://db/ci', pods: { toleration: [] } }],
    ['pods.restartPolicy', { name: 'w', database: 'postgres://db/ci', pods: { restartPolicy: 'Never' } }],
    ['pods.labels.team', { name: 'w', database: 'postgres://db/ci', pods: { labels: { team: 'x'.repeat(64) } } }],
    ['pods.runAsUser', { name: 'w', database: 'postgres://db/ci', pods: { security: 'restricted', runAsUser: 0 } }],
    ['agentConfigMap', { name: 'w', database: 'postgres://db/ci', agentConfigMap: 'never' }],
    ['podObservation', { name: 'w', database: 'postgres://db/ci', podObservation: true }],
    ['agentBinary', { name: 'w', database: 'postgres://db/ci', agentBinary: new URL('file:///agent') }],
    ['transfers.windowBytes', { name: 'w', database: 'postgres://db/ci', transfers: { windowBytes: '1' } }],
  ];
  for (const [field, options] of wrong)
    it(`names ${field} if it is missing or wrong`, async () => {
      const error = await rejection(KubernetesWorker.open(options as never));
      expect(error).to.be.instanceOf(InvalidSpecError);
      expect((error as InvalidSpecError).field).to.equal(field);
    });
});
