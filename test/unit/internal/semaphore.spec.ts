import { getEventListeners } from 'node:events';

import { expect } from 'chai';

import { Semaphore } from '../../../src/internal/semaphore.ts';
import { rejection } from '../../support/rejection.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('Semaphore', () => {
  it('admits its number of holders, and the others in the order of their calls', async () => {
    const semaphore = new Semaphore(2);
    const entered: number[] = [];
    const leave = await Promise.all([semaphore.acquire(), semaphore.acquire()]);
    for (const number of [1, 2]) void semaphore.acquire().then(() => entered.push(number));
    await settle();
    expect(entered).to.deep.equal([]);
    leave[0]();
    await settle();
    expect(entered).to.deep.equal([1]);
    leave[1]();
    await settle();
    expect(entered).to.deep.equal([1, 2]);
  });

  it('releases a place once', async () => {
    const semaphore = new Semaphore(1);
    const leave = await semaphore.acquire();
    leave();
    leave();
    await semaphore.acquire();
    void semaphore.acquire();
  });

  it('has the numbers of its places that are held, and of the callers that wait', async () => {
    const semaphore = new Semaphore(1);
    const numbers = () => [semaphore.limit, semaphore.used, semaphore.waiting];
    expect(numbers()).to.deep.equal([1, 0, 0]);
    const leave = await semaphore.acquire();
    const waiting = semaphore.acquire();
    expect(numbers()).to.deep.equal([1, 1, 1]);
    leave();
    (await waiting)();
    expect(numbers()).to.deep.equal([1, 0, 0]);
  });

  it('removes a waiting caller that aborts', async () => {
    const semaphore = new Semaphore(1);
    const leave = await semaphore.acquire();
    const stop = new AbortController();
    const reason = new Error('stopped');
    const waiting = rejection(semaphore.acquire({ signal: stop.signal }));
    stop.abort(reason);
    expect(await waiting).to.equal(reason);
    expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
    leave();
    await semaphore.acquire();
  });

  it('rejects with an aborted signal', async () => {
    const reason = new Error('stopped');
    expect(await rejection(new Semaphore(1).acquire({ signal: AbortSignal.abort(reason) }))).to.equal(reason);
  });
});
