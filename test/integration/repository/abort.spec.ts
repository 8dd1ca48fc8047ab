import { getEventListeners } from 'node:events';

import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { insert, leaseOf, ownerOf } from '../../contract/repository/repository-under-test.ts';
import { newPGlite } from '../../support/pglite.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const reasonOf = async (promise: Promise<unknown>): Promise<unknown> =>
  await promise.then(
    () => 'it resolved',
    (error: unknown) => error,
  );

describe('AbortSignal of a repository', function () {
  this.timeout(120_000);
  const reason = { why: 'the host has changed its mind' };
  const schema = schemaOf('abort');
  let pool: pg.Pool;
  let admin: pg.Pool;
  let repository: Repository;

  before(async () => {
    const connectionString = await sharedPostgresUrl();
    admin = new pg.Pool({ connectionString, max: 2 });
    // One connection: were it not given back, nothing would work any more.
    pool = new pg.Pool({ connectionString, max: 1 });
    await admin.query(`drop schema if exists ${schema} cascade`);
    repository = await openRepository(pool, { schema, logger: silentLogger });
    await repository.workers.register('worker');
    await insert(repository, 'c');
  });

  after(async () => {
    await admin.query(`drop schema ${schema} cascade`);
    await Promise.all([pool.end(), admin.end()]);
  });

  it('that was aborted before rejects every call with its reason, and nothing is done', async () => {
    const signal = AbortSignal.abort(reason);
    const { containers, volumes, workers } = repository;
    const calls = [
      containers.findOrInsert('worker', ownerOf('x'), leaseOf('me'), () => expect.fail('made'), { signal }),
      containers.markFailed('c', 'holder', { signal }),
      containers.setProperty('c', 'a', 'b', { signal }),
      volumes.expire('worker', 'v', { signal }),
      workers.register('other', { signal }),
      openRepository(pool, { schema, logger: silentLogger, signal }),
    ];
    expect(await Promise.all(calls.map(reasonOf))).to.deep.equal(calls.map(() => reason));
    expect((await containers.lookup('worker', 'c'))?.state).to.equal('creating');
    expect(await containers.properties('c')).to.deep.equal({});
  });

  it('stops the waiting for a statement, which ends unheard, and the connection is usable afterwards', async () => {
    const holder = await admin.connect();
    await holder.query('begin');
    await holder.query(`lock table ${schema}.container_properties in access exclusive mode`);
    const controller = new AbortController();
    const sent = repository.containers.setProperty('c', 'sent', 'x', { signal: controller.signal });
    const queued = repository.containers.setProperty('c', 'queued', 'x', { signal: controller.signal });
    for (let waiting = 0; waiting === 0; )
      waiting = (await admin.query(`select from pg_locks where not granted`)).rowCount ?? 0;
    controller.abort(reason);
    expect(await Promise.all([reasonOf(sent), reasonOf(queued)])).to.deep.equal([reason, reason]);
    expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    await holder.query('rollback');
    holder.release();
    // The one that was only waiting for its connection is never sent.
    expect(await repository.containers.properties('c')).to.deep.equal({ sent: 'x' });
  });

  it('leaves no listener behind where nothing is aborted, and nothing on the reason', async () => {
    const controller = new AbortController();
    await repository.containers.lookup('worker', 'c', { signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    expect(Reflect.ownKeys(reason)).to.deep.equal(['why']);
  });

  it('stops the waiting for a PGlite instance that is busy', async () => {
    const database = await newPGlite();
    const embedded = await openRepository(database, { logger: silentLogger });
    const busy = Promise.withResolvers<void>();
    const transaction = database.transaction(async () => await busy.promise);
    const controller = new AbortController();
    const call = embedded.workers.register('worker', { signal: controller.signal });
    controller.abort(reason);
    expect(await reasonOf(call)).to.equal(reason);
    busy.resolve();
    await transaction;
    await embedded.workers.register('worker');
    await database.close();
  });
});
