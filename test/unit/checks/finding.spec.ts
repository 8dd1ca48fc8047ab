import { expect } from 'chai';

import { failure } from '../../../src/checks/finding.ts';
import { StoreNotConfiguredError } from '../../../src/errors/repository.ts';
import { StoreDeniedError, StoreUnavailableError } from '../../../src/errors/store.ts';

describe('the finding of a store that cannot be used', () => {
  const facts = { store: 'pvc' };
  const advice = (error: Error): string => failure('pod-start', error).advice ?? '';

  it('names the owners of the volume if the store pod may not write', () => {
    expect(advice(new StoreDeniedError(facts, 'write', 'EACCES'))).to.match(/65532.*`user` and `group`/);
  });

  it('names the rights if the store refuses a request', () => {
    expect(advice(new StoreDeniedError(facts, 's3:PutObject', 'denied'))).to.include('Grant the right');
  });

  it('names the claim if there is none', () => {
    expect(advice(new StoreNotConfiguredError('pvc'))).to.include('Create the claim');
  });

  it('names where the reason is if the store does not answer', () => {
    expect(advice(new StoreUnavailableError(facts, 'no answer'))).to.include('the events of its claim');
  });
});
