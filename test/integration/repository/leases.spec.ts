import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { insert, rejection } from '../../contract/repository/repository-under-test.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describe('A lease that passes to another holder during a call of the earlier one', () => {
  const schema = schemaOf('leases');
  let admin: pg.Pool;
  let repository: Repository;

  before(async () => {
    const url = await sharedPostgresUrl();
    admin = new pg.Pool({ connectionString: url, max: 2 });
    await admin.query(`drop schema if exists ${schema} cascade`);
    repository = await openRepository(url, { schema, logger: silentLogger });
    await repository.workers.register('worker');
  });

  after(async () => {
    await repository.close();
    await admin.query(`drop schema ${schema} cascade`);
    await admin.end();
  });

  /** Resolves when a statement waits for the other holder's lock. */
  const blocked = async (move: Promise<unknown>) => {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    move.then(settled, settled);
    for (let waiting = 0; waiting === 0; ) {
      if (isSettled) throw new Error('the statement did not wait for the lock');
      waiting = (await admin.query('select from pg_locks where not granted')).rowCount ?? 0;
    }
  };

  const moves: Readonly<Record<string, (handle: string) => Promise<unknown>>> = {
    recordPod: async (handle) => await repository.containers.recordPod(handle, 'holder', 'uid'),
    markCreated: async (handle) => await repository.containers.markCreated(handle, 'holder'),
    markFailed: async (handle) => await repository.containers.markFailed(handle, 'holder'),
    markReady: async (handle) =>
      await repository.volumes.markReady(`${handle}-source`, undefined, { holder: 'holder' }),
  };
  for (const [name, move] of Object.entries(moves)) {
    it(`is not changed by ${name}, which waits for the lock and is rejected`, async () => {
      await insert(repository, name);
      const next = await admin.connect();
      try {
        await next.query('begin');
        await next.query(`update ${schema}.containers set lease_holder = 'next' where handle = '${name}'`);
        const moved = rejection(move(name));
        await blocked(moved);
        await next.query('commit');
        expect(await moved).to.include({ code: 'KW_ERR_LEASE_LOST' });
      } finally {
        next.release(true);
      }
      expect(await repository.containers.lookup('worker', name)).to.include({ state: 'creating', podUid: undefined });
      expect((await repository.containers.volumesOf(name)).map(({ state, readyAt }) => [state, readyAt])).to.deep.equal(
        [
          ['creating', undefined],
          ['creating', undefined],
        ],
      );
    });
  }
});
