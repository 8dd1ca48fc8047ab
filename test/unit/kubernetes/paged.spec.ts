import { expect } from 'chai';

import { ApiError } from '../../../src/errors/cluster.ts';
import { type Page, type PageRequest, paged } from '../../../src/kubernetes/api/paged.ts';
import { rejection } from '../../support/rejection.ts';

function expired(): ApiError {
  return new ApiError({ verb: 'list', resource: 'pods', namespace: 'ci' }, 'expired', {
    status: 410,
    reason: 'Expired',
  });
}

describe('paged', () => {
  let requests: PageRequest[];
  const source = (answer: (request: PageRequest, count: number) => Page<number>) => {
    requests = [];
    return paged<number>(async (request) => answer(request, requests.push(request)));
  };

  it('returns all pages, with the version of the last one', async () => {
    const list = await source(({ continue: next }) => {
      if (next === undefined) return { items: [1, 2], metadata: { continue: 'a', resourceVersion: '5' } };
      return next === 'a'
        ? { items: [3], metadata: { continue: 'b', resourceVersion: '5' } }
        : { items: [4], metadata: { continue: '', resourceVersion: '5' } };
    });
    expect(list).to.deep.equal({ items: [1, 2, 3, 4], resourceVersion: '5' });
    expect(requests).to.deep.equal([{ limit: 500 }, { limit: 500, continue: 'a' }, { limit: 500, continue: 'b' }]);
  });

  it('begins again when pages expire', async () => {
    const list = await source((_request, count) => {
      if (count === 2) throw expired();
      return count === 1
        ? { items: [1], metadata: { continue: 'a' } }
        : { items: [2], metadata: { resourceVersion: '9' } };
    });
    expect(list).to.deep.equal({ items: [2], resourceVersion: '9' });
  });

  it('requests the list in one piece when pages expire each time', async () => {
    const list = await source(({ limit, continue: next }) => {
      if (limit === undefined) return { items: [7], metadata: { resourceVersion: '9' } };
      if (next !== undefined) throw expired();
      return { items: [1], metadata: { continue: 'a' } };
    });
    expect(list.items).to.deep.equal([7]);
    expect(requests).to.have.length(7);
  });

  it('rejects with any other error', async () => {
    const failure = new Error('no');
    expect(
      await rejection(
        source(() => {
          throw failure;
        }),
      ),
    ).to.equal(failure);
  });
});
