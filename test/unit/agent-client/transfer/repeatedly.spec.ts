import { expect } from 'chai';
import { repeatedly } from '../../../../src/agent-client/transfer/repeatedly.ts';
import { AgentFailure } from '../../../../src/agent-client/wire/agent-error.ts';
import { FileChangedError, FileNotFoundError, OperationLostError } from '../../../../src/errors/transfer.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

const changed = new FileChangedError({ path: 'refs' });
const gone = new OperationLostError({}, 'restarted', { cause: new AgentFailure('OPERATION_GONE', 'restarted') });

describe('a transfer that is begun anew', () => {
  let clock: VirtualClock;
  let begun: { readonly at: number }[];
  let reasons: unknown[];

  beforeEach(() => {
    clock = new VirtualClock(0);
    begun = [];
    reasons = [];
  });

  afterEach(() => {
    expect(clock.sleeping, 'timers left').to.equal(0);
  });

  /** Fails with these one after another, and then does not. */
  function transfer(failures: readonly Error[], signal?: AbortSignal): { readonly result: Promise<string> } {
    const left = [...failures];
    const work = async (): Promise<string> => {
      begun.push({ at: clock.now() });
      const failure = left.shift();
      if (failure !== undefined) throw failure;
      return 'done';
    };
    const result = repeatedly(work, { clock, restarting: (reason) => reasons.push(reason), signal });
    result.catch(() => undefined);
    return { result };
  }

  it('after a file changed waits longer each time, until it is quiet', async () => {
    const { result } = transfer([changed, changed, changed]);
    await settle();
    expect(begun).to.have.length(1);
    await clock.advance(49);
    expect(begun).to.have.length(1);
    await clock.advance(1_000);
    expect(await result).to.equal('done');
    const waits = begun.slice(1).map(({ at }, index) => at - (begun[index]?.at ?? 0));
    expect(waits[0]).to.be.within(50, 100);
    expect(waits[1]).to.be.within(100, 200);
    expect(waits[2]).to.be.within(200, 400);
    expect(reasons).to.deep.equal([changed, changed, changed]);
  });

  it('gives up a file that changes all the time, with the error that says so', async () => {
    const { result } = transfer(Array.from({ length: 50 }, () => changed));
    await clock.advance(60_000);
    expect(await rejection(result)).to.equal(changed);
    expect(begun).to.have.length(7);
  });

  it('after a restart of the agent begins at once, three times', async () => {
    expect(await transfer([gone, gone, gone]).result).to.equal('done');
    expect(begun.map(({ at }) => at)).to.deep.equal([0, 0, 0, 0]);
    expect(await rejection(transfer([gone, gone, gone, gone]).result)).to.equal(gone);
  });

  it('rejects at once with anything else', async () => {
    for (const failure of [new Error('other'), new FileNotFoundError({}), new OperationLostError({}, 'cut')])
      expect(await rejection(transfer([failure]).result)).to.equal(failure);
    expect(begun).to.have.length(3);
  });

  it('stops with the reason of its signal, also while it waits', async () => {
    const stop = new AbortController();
    const { result } = transfer([changed, changed], stop.signal);
    await settle();
    const reason = new Error('stopped');
    stop.abort(reason);
    expect(await rejection(result)).to.equal(reason);
    expect(begun).to.have.length(1);
  });
});
