import { expect } from 'chai';

import { FakeWorker } from '../../../../fakes/index.ts';
import { ServiceState } from '../../../../src/service/serve/service-state.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

describe('ServiceState', () => {
  let clock: VirtualClock;
  let state: ServiceState;

  beforeEach(() => {
    clock = new VirtualClock();
    state = new ServiceState(clock, [
      { name: 'database', maxAgeMs: 30_000 },
      { name: 'store:s3', maxAgeMs: 30_000, isRequired: false },
    ]);
  });

  const started = (): void => state.started(new FakeWorker({ name: 'w' }));
  const databaseOk = (): void => state.record('database', { ok: true, detail: 'answers' });

  it('is started once the worker is open, and stays so while it drains', () => {
    expect(state.probe('startupz').ok).to.equal(false);
    started();
    expect(state.probe('startupz').ok).to.equal(true);
    state.draining();
    expect(state.probe('startupz').ok).to.equal(true);
  });

  it('is ready while it runs and each required check has passed', () => {
    databaseOk();
    expect(state.probe('readyz').ok).to.equal(false);
    started();
    expect(state.probe('readyz')).to.deep.equal({
      ok: true,
      checks: [
        { name: 'phase', isRequired: true, ok: true, detail: 'running', ageMs: 0 },
        { name: 'database', isRequired: true, ok: true, detail: 'answers', ageMs: 0 },
        { name: 'store:s3', isRequired: false, ok: false, detail: 'has not run yet', ageMs: undefined },
      ],
    });
  });

  it('is not ready before each check has run', () => {
    started();
    expect(state.probe('readyz').checks[1]).to.include({ ok: false, detail: 'has not run yet', ageMs: undefined });
  });

  it('is not ready while a check fails', () => {
    started();
    state.record('database', { ok: false, detail: 'connection refused' });
    expect(state.probe('readyz')).to.have.property('ok', false);
  });

  it('is not ready when a result is older than its maximum age', async () => {
    started();
    databaseOk();
    await clock.advance(30_000);
    expect(state.probe('readyz').ok).to.equal(true);
    await clock.advance(1);
    expect(state.probe('readyz').checks[1]).to.include({ ok: false, ageMs: 30_001 });
  });

  it('is not ready from the start of the drain on, even if the worker opens later', () => {
    databaseOk();
    state.draining();
    started();
    expect(state.phase).to.equal('draining');
    expect(state.probe('readyz').ok).to.equal(false);
  });

  it('is alive as long as the event loop beats, whatever fails', async () => {
    state.record('database', { ok: false, detail: 'connection refused' });
    await clock.advance(15_000);
    expect(state.probe('livez').ok).to.equal(true);
    await clock.advance(1);
    expect(state.probe('livez').ok).to.equal(false);
    state.beat();
    expect(state.probe('livez').ok).to.equal(true);
  });
});
