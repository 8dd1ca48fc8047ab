import { expect } from 'chai';
import { repeatedly } from '../../../../src/agent-client/transfer/repeatedly.ts';
import { AgentFailure } from '../../../../src/agent-client/wire/agent-error.ts';
import { FileChangedError, FileNotFoundError, OperationLostError } from '../../../../src/errors/transfer.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

const changed = new FileChangedError({ path: 'refs' });
const gone = new OperationLostError({}, 'restarted', { cause: new AgentFailure('OPERATION_GONE', 'restarted') });

describe('repeatedly', () => {
  let clock: VirtualClock;
  let runs: { readonly at: number }[];
  let reasons: unknown[];

  beforeEach(() => {
    clock = new VirtualClock(0);
    runs = [];
    reasons = [];
  });

  afterEach(() => {
    expect(clock.sleeping, 'timers left').to.equal(0);
  });

  /** Runs work that fails with each of these errors in order, and then succeeds. */
  function transfer(failures: readonly Error[], signal?: AbortSignal): { readonly result: Promise<string> } {
    const left = [...failures];
    const work = async (): Promise<string> => {
      runs.push({ at: clock.now() });
      const failure = left.shift();
      if (failure !== undefined) throw failure;
      return 'done';
    };
    const result = repeatedly(work, { clock, restarting: (reason) => reasons.push(reason), signal });
    result.catch(() => undefined);
    return { result };
  }

  it('waits longer before each restart while a file changes', async () => {
    const { result } = transfer([changed, changed, changed]);
    await settle();
    expect(runs).to.have.length(1);
    await clock.advance(49);
    expect(runs).to.have.length(1);
    await clock.advance(1_000);
    expect(await result).to.equal('done');
    const waits = runs.slice(1).map(({ at }, index) => at - (runs[index]?.at ?? 0));
    expect(waits[0]).to.be.within(50, 100);
    expect(waits[1]).to.be.within(100, 200);
    expect(waits[2]).to.be.within(200, 400);
    expect(reasons).to.deep.equal([changed, changed, changed]);
  });

  it('rejects with the error of a file that never stops changing', async () => {
    const { result } = transfer(Array.from({ length: 50 }, () => changed));
    await clock.advance(60_000);
    expect(await rejection(result)).to.equal(changed);
    expect(runs).to.have.length(7);
  });

  it('restarts at once after a restart of the agent, three times', async () => {
    expect(await transfer([gone, gone, gone]).result).to.equal('done');
    expect(runs.map(({ at }) => at)).to.deep.equal([0, 0, 0, 0]);
    expect(await rejection(transfer([gone, gone, gone, gone]).result)).to.equal(gone);
  });

  it('rejects at once with any other error', async () => {
    for (const failure of [new Error('other'), new FileNotFoundError({}), new OperationLostError({}, 'cut')])
      expect(await rejection(transfer([failure]).result)).to.equal(failure);
    expect(runs).to.have.length(3);
  });

  it('rejects with the reason of its signal while it waits', async () => {
    const stop = new AbortController();
    const { result } = transfer([changed, changed], stop.signal);
    await settle();
    const reason = new Error('stopped');
    stop.abort(reason);
    expect(await rejection(result)).to.equal(reason);
    expect(runs).to.have.length(1);
  });
});
