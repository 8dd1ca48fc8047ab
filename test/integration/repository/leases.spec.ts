import { expect } from 'chai';

import { insert, rejection } from '../../contract/repository/repository-under-test.ts';
import { withRepository } from '../../support/database/repository-fixture.ts';

describe('A lease that passes to another holder during a call of the earlier one', () => {
  const database = withRepository('leases');
  const { schema } = database;

  const moves: Readonly<Record<string, (handle: string) => Promise<unknown>>> = {
    recordPod: async (handle) => await database.repository.containers.recordPod(handle, 'holder', 'uid'),
    markCreated: async (handle) => await database.repository.containers.markCreated(handle, 'holder'),
    markFailed: async (handle) => await database.repository.containers.markFailed(handle, 'holder'),
    markReady: async (handle) =>
      await database.repository.volumes.markReady(`${handle}-source`, undefined, { holder: 'holder' }),
  };
  for (const [name, move] of Object.entries(moves)) {
    it(`is not changed by ${name}, which waits for the lock and is rejected`, async () => {
      await insert(database.repository, name);
      const next = await database.admin.connect();
      try {
        await next.query('begin');
        await next.query(`update ${schema}.containers set lease_holder = 'next' where handle = '${name}'`);
        const moved = rejection(move(name));
        await database.blocked(moved);
        await next.query('commit');
        expect(await moved).to.include({ code: 'KW_ERR_LEASE_LOST' });
      } finally {
        next.release(true);
      }
      expect(await database.repository.containers.lookup('worker', name)).to.include({
        state: 'creating',
        podUid: undefined,
      });
      expect(
        (await database.repository.containers.volumesOf(name)).map(({ state, readyAt }) => [state, readyAt]),
      ).to.deep.equal([
        ['creating', undefined],
        ['creating', undefined],
      ]);
    });
  }
});
