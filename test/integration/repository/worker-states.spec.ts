import { expect } from 'chai';
import sinon from 'sinon';

import { artifactOf, insert, rejection } from '../../contract/repository/repository-under-test.ts';
import { withRepository } from '../../support/database/repository-fixture.ts';

describe('The state of a worker, with statements of other hosts under way', () => {
  const database = withRepository('worker states');
  const { schema } = database;

  beforeEach(async () => {
    await database.admin.query(`truncate ${schema}.workers cascade`);
    await database.repository.workers.register('worker');
  });

  /** The statements of another host, in a transaction that commits when the call waits for it. */
  async function during<T>(statements: readonly string[], call: () => Promise<T>): Promise<T> {
    const other = await database.admin.connect();
    try {
      await other.query('begin');
      for (const statement of statements) await other.query(statement);
      const called = call();
      await database.blocked(called);
      await other.query('commit');
      return await called;
    } finally {
      other.release(true);
    }
  }

  const moveTo = (state: string) =>
    `update ${schema}.workers set state = '${state}', state_version = state_version + 1 where name = 'worker'`;
  const insertContainer = `insert into ${schema}.containers
    (handle, worker_name, owner_kind, owner_key, owner_digest, state, pod_name, metadata, settings)
    values ('earlier', 'worker', 'k', 'k', repeat('0', 64), 'created', 'p', '{}', '{}')`;

  it('stalls by the clock of the database, whatever that of the host is', async () => {
    const { workerStates } = database.repository;
    // Before the clock changes: the pool's connection is open then, and no time-out of it is due.
    await workerStates.heartbeat('worker', 60_000);
    const otherClock = sinon.useFakeTimers({ now: Date.UTC(2100, 0, 1), toFake: ['Date'] });
    try {
      expect(await workerStates.find('worker')).to.include({ state: 'running' });
      expect(await workerStates.heartbeat('worker', 60_000)).to.include({ from: 'running' });
    } finally {
      otherClock.restore();
    }
  });

  it('accepts no container that is inserted while it begins to land', async () => {
    const error = await during([moveTo('landing')], async () => await rejection(insert(database.repository, 'late')));
    expect(error).to.include({ code: 'KW_ERR_WORKER_NOT_RUNNING', state: 'landing' });
  });

  it('accepts no artifact volume that is inserted while it begins to land', async () => {
    const error = await during([moveTo('landing')], async () =>
      rejection(database.repository.volumes.insertArtifact(artifactOf('late'))),
    );
    expect(error).to.include({ code: 'KW_ERR_WORKER_NOT_RUNNING', state: 'landing' });
  });

  it('begins to land only when the inserts of other hosts have ended', async () => {
    const lock = `select name from ${schema}.workers where name = 'worker' and state = 'running' for share`;
    const moved = await during([lock, insertContainer], async () => database.repository.workerStates.land('worker'));
    expect(moved?.worker.state).to.equal('landing');
    expect((await database.repository.workerStates.heartbeat('worker', 1_000))?.worker).to.include({
      state: 'landing',
      activeContainers: 1,
    });
  });

  it('does not land by a heartbeat that began before the last container was inserted', async () => {
    const moved = await during([insertContainer, moveTo('landing')], async () =>
      database.repository.workerStates.heartbeat('worker', 1_000),
    );
    expect(moved?.worker).to.include({ state: 'landing', activeContainers: 0 });
  });

  it('does not land by such a heartbeat either if it was landing before', async () => {
    await database.repository.workerStates.land('worker');
    const moved = await during([moveTo('running'), insertContainer, moveTo('landing')], async () =>
      database.repository.workerStates.heartbeat('worker', 1_000),
    );
    expect(moved?.worker.state).to.equal('landing');
  });

  it('is not deleted when a host that does not read the state adds a row', async () => {
    await database.repository.workerStates.retire('worker');
    const isDeleted = await during([insertContainer], async () =>
      database.repository.workerStates.deleteRetired('worker'),
    );
    expect(isDeleted).to.equal(false);
    expect(await database.repository.workerStates.find('worker')).to.include({ state: 'retiring' });
  });

  it('is not deleted when it is resumed', async () => {
    await database.repository.workerStates.retire('worker');
    const isDeleted = await during([moveTo('running')], async () =>
      database.repository.workerStates.deleteRetired('worker'),
    );
    expect(isDeleted).to.equal(false);
  });

  it('is not pruned while a host that does not read the state adds a row, and can be pruned later', async () => {
    await database.repository.workerStates.retire('worker');
    const error = await during([insertContainer], async () =>
      rejection(database.repository.workerStates.prune('worker')),
    );
    expect(error).to.include({ code: 'KW_ERR_REPOSITORY_UNAVAILABLE', retryable: true });
    expect(await database.repository.workerStates.prune('worker')).to.equal(true);
  });

  it('is not pruned when a heartbeat renews it', async () => {
    await database.admin.query(`update ${schema}.workers set expires_at = now() - interval '1 second'`);
    const renew = `update ${schema}.workers set expires_at = now() + interval '1 minute'`;
    const error = await during([renew], async () => rejection(database.repository.workerStates.prune('worker')));
    expect(error).to.include({ code: 'KW_ERR_ILLEGAL_TRANSITION', from: 'running' });
  });
});
