import { expect } from 'chai';
import sinon from 'sinon';

import { RowBatches } from '../../../src/controllers/row-batches.ts';
import { RepositoryUnavailableError } from '../../../src/errors/repository.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('RowBatches', () => {
  let deleteAll: sinon.SinonStub;
  let deleteOne: sinon.SinonStub;
  let stop: AbortController;
  let batches: RowBatches;

  const handles = (count: number) => Array.from({ length: count }, (_, index) => `h${index}`);
  const outcomes = async (names: readonly string[]) =>
    (await Promise.allSettled(names.map(async (handle) => await batches.delete(handle)))).map(({ status }) => status);
  const sizes = () => deleteAll.args.map(([batch]) => (batch as string[]).length);

  beforeEach(() => {
    deleteAll = sinon.stub().callsFake(async (names: readonly string[]) => names);
    deleteOne = sinon.stub().resolves();
    stop = new AbortController();
    batches = new RowBatches({ deleteAll, delete: deleteOne }, stop);
  });

  it('deletes a row that arrives alone with a statement of its own', async () => {
    await batches.delete('a');
    sinon.assert.calledOnceWithExactly(deleteOne, 'a');
    sinon.assert.notCalled(deleteAll);
  });

  it('deletes rows that arrive together in statements of at most 1,000', async () => {
    await outcomes(handles(2_300));
    expect(sizes()).to.deep.equal([1_000, 1_000, 300]);
    sinon.assert.notCalled(deleteOne);
  });

  it('deletes rows that arrive during a statement together in the next one', async () => {
    const first = Promise.withResolvers<readonly string[]>();
    deleteAll.onFirstCall().returns(first.promise);
    const begun = outcomes(['a', 'b']);
    await settle();
    const later = outcomes(['c', 'd', 'e']);
    await settle();
    expect(sizes()).to.deep.equal([2]);
    first.resolve(['a', 'b']);
    await Promise.all([begun, later]);
    expect(sizes()).to.deep.equal([2, 3]);
  });

  it('deletes individually each row that the statement has left out', async () => {
    deleteAll.resolves(['a', 'c']);
    deleteOne.withArgs('b').rejects(new Error('not destroying'));
    expect(await outcomes(['a', 'b', 'c', 'd'])).to.deep.equal(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(deleteOne.args.flat()).to.deep.equal(['b', 'd']);
  });

  it('deletes each row individually if the statement fails, so that one row does not keep the others', async () => {
    deleteAll.rejects(new Error('a foreign key of another application'));
    deleteOne.withArgs('b').rejects(new Error('the same'));
    expect(await outcomes(['a', 'b', 'c'])).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('continues with other batches while a single row takes long', async () => {
    const late = Promise.withResolvers<void>();
    deleteAll.onFirstCall().resolves(['a']);
    deleteOne.withArgs('b').returns(late.promise);
    const begun = outcomes(['a', 'b']);
    await settle();
    expect(await outcomes(['c', 'd'])).to.deep.equal(['fulfilled', 'fulfilled']);
    late.resolve();
    expect(await begun).to.deep.equal(['fulfilled', 'fulfilled']);
  });

  it('tries no other row after two without a response of the database', async () => {
    deleteAll.rejects(new RepositoryUnavailableError('down'));
    deleteOne.rejects(new RepositoryUnavailableError('down'));
    expect(await outcomes(handles(1_000))).to.have.members(Array(1_000).fill('rejected'));
    sinon.assert.calledTwice(deleteOne);
  });

  it('tries the others if one row is locked for so long that its statement times out', async () => {
    deleteAll.rejects(new RepositoryUnavailableError('timed out'));
    deleteOne.withArgs('h3').rejects(new RepositoryUnavailableError('timed out'));
    deleteOne.withArgs('h5').rejects(new RepositoryUnavailableError('timed out'));
    await outcomes(handles(10));
    sinon.assert.callCount(deleteOne, 10);
  });

  it('begins no statement after its signal has aborted', async () => {
    stop.abort();
    expect(await outcomes(['a', 'b'])).to.deep.equal(['rejected', 'rejected']);
    sinon.assert.notCalled(deleteAll);
    sinon.assert.notCalled(deleteOne);
  });
});
