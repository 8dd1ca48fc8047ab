import { getEventListeners } from 'node:events';

import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { insert, leaseOf, ownerOf } from '../../contract/repository/repository-under-test.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const reasonOf = async (promise: Promise<unknown>): Promise<unknown> =>
  await promise.then(
    () => 'it resolved',
    (error: unknown) => error,
  );

describe('AbortSignal of a repository', () => {
  const reason = { why: 'the host has changed its mind' };
  const schema = schemaOf('abort');
  let pool: pg.Pool;
  let admin: pg.Pool;
  let repository: Repository;

  before(async () => {
    const connectionString = await sharedPostgresUrl();
    admin = new pg.Pool({ connectionString, max: 2 });
    // With one connection, a connection that is not released blocks all later statements.
    pool = new pg.Pool({ connectionString, max: 1 });
    await admin.query(`drop schema if exists ${schema} cascade`);
    repository = await openRepository(pool, { schema, logger: silentLogger });
    await repository.workers.register('worker');
    await insert(repository, 'c');
    await insert(repository, 'untouched');
  });

  after(async () => {
    await admin.query(`drop schema ${schema} cascade`);
    await Promise.all([pool.end(), admin.end()]);
  });

  it('that is aborted already rejects every call with its reason, and no statement is sent', async () => {
    const signal = AbortSignal.abort(reason);
    const { containers, volumes, workers } = repository;
    const calls = [
      containers.findOrInsert('worker', ownerOf('x'), leaseOf('me'), () => expect.fail('make() was called'), {
        signal,
      }),
      containers.markFailed('untouched', 'holder', { signal }),
      containers.setProperty('untouched', 'a', 'b', { signal }),
      volumes.expire('worker', 'v', { signal }),
      workers.register('other', { signal }),
      openRepository(pool, { schema, logger: silentLogger, signal }),
    ];
    expect(await Promise.all(calls.map(reasonOf))).to.deep.equal(calls.map(() => reason));
    expect((await containers.lookup('worker', 'untouched'))?.state).to.equal('creating');
    expect(await containers.properties('untouched')).to.deep.equal({});
  });

  it('ends the wait for a statement, whose result is discarded, and the connection stays usable', async () => {
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
    // The statement that waited for a connection was never sent.
    expect(await repository.containers.properties('c')).to.deep.equal({ sent: 'x' });
  });

  it('leaves no listener without an abort, and does not modify the reason', async () => {
    const controller = new AbortController();
    await repository.containers.lookup('worker', 'c', { signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    expect(Reflect.ownKeys(reason)).to.deep.equal(['why']);
  });

  it('ends the wait for a busy PGlite instance', async () => {
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
