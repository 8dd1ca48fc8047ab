import { expect } from 'chai';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { checkStores, chooseStores } from '../../../src/stores/store-choice.ts';
import type { StoresOptions } from '../../../src/stores/stores-options.ts';
import { checkShape } from '../../../src/validation/shape.ts';
import { storesOptions } from '../../../src/validation/stores-shapes.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';

const one = new MemoryArchiveStore({ name: 'one' });
const two = new MemoryArchiveStore({ name: 'two' });

describe('the stores of a worker', () => {
  it('are pods only without a configured store', () => {
    expect(chooseStores({})).to.include({ artifacts: 'pod', outputs: 'pod', caches: 'pod' });
  });

  it('are the one that is configured, which saves the outputs of all processes', () => {
    expect(chooseStores({ custom: [one] })).to.deep.equal({
      artifacts: 'one',
      outputs: 'one',
      caches: 'one',
      saveOutputs: 'always',
      unavailableBudgetMs: 300_000,
    });
  });

  it('may be objects of a class', () => {
    checkShape('', storesOptions, { custom: [one] });
  });

  it('are pods where two are configured and none is chosen', () => {
    const options = { custom: [one, two], outputs: 'two' };
    checkStores(options);
    expect(chooseStores(options)).to.include({ artifacts: 'pod', outputs: 'two', caches: 'pod' });
  });

  const refused: readonly (readonly [title: string, field: string, options: StoresOptions])[] = [
    ['an unknown store', 'stores.caches', { custom: [one], caches: 'three' }],
    ['two stores of one name', 'stores.custom[1].name', { custom: [one, one] }],
    ['a custom store named pod', 'stores.custom[0].name', { custom: [new MemoryArchiveStore({ name: 'pod' })] }],
    ['an empty name', 'stores.custom[0].name', { custom: [new MemoryArchiveStore({ name: '' })] }],
    [
      'a policy for outputs that stay in their pods',
      'stores.saveOutputs',
      { custom: [one], outputs: 'pod', saveOutputs: 'always' },
    ],
    ['a budget of no time', 'stores.unavailableBudgetMs', { custom: [one], unavailableBudgetMs: 0 }],
  ];
  for (const [title, field, options] of refused) {
    it(`are refused by field: ${title}`, () => {
      expect(() => checkStores(options))
        .to.throw(InvalidSpecError)
        .with.property('field', field);
    });
  }

  it('are refused by field: a store without the methods of one', () => {
    expect(() => checkShape('', storesOptions, { custom: [{ name: 'x' }] }))
      .to.throw(InvalidSpecError)
      .with.property('field', 'custom[0]');
  });

  it('are refused by field: an unknown policy or option', () => {
    expect(() => checkShape('', storesOptions, { saveOutputs: 'later' })).to.throw(InvalidSpecError, 'saveOutputs');
    expect(() => checkShape('', storesOptions, { s4: {} })).to.throw(InvalidSpecError, 's4');
  });
});
