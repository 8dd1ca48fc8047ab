import { expect } from 'chai';
import type pg from 'pg';

import type { DatabasePool } from '../../../src/repository/postgres/connection/database.ts';
import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { insert, ownerOf, rejection } from '../../contract/repository/repository-under-test.ts';
import { withRepository } from '../../support/database/repository-fixture.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describe('An owner that finishes for good during a statement of the host that creates its container', () => {
  let client: pg.PoolClient;
  after(() => client.release(true));
  const database = withRepository('finished owners');
  const { schema } = database;
  before(async () => (client = await database.admin.connect()));

  const finish = async (key: string): Promise<number> =>
    await database.repository.containers.markOwnerFinished('worker', ownerOf(key), { final: true });
  const stateOf = async (handle: string): Promise<string | undefined> =>
    (await database.repository.containers.lookup('worker', handle))?.state;

  it('has no container afterwards if the insert commits last', async () => {
    await client.query('begin');
    await client.query(`insert into ${schema}.containers (handle, worker_name, owner_kind, owner_key, owner_digest,
        state, pod_name, metadata, settings, lease_holder, lease_until)
      values ('late', 'worker', 'build-step', 'late', encode(sha256('["build-step","late"]'), 'hex'),
        'creating', 'p', '{}', '{}', 'holder', now() + interval '1 minute')`);
    expect(await finish('late')).to.equal(0);
    await client.query('commit');
    expect(await stateOf('late')).to.equal('creating');
    expect(await rejection(database.repository.containers.markCreated('late', 'holder'))).to.deep.include({
      code: 'KW_ERR_OWNER_FINISHED',
      owner: ownerOf('late'),
    });
    expect(await rejection(insert(database.repository, 'late'))).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
  });

  it('has no container afterwards if it finishes between the search and the insert', async () => {
    const finishing: DatabasePool = {
      connect: async () => {
        const connected = await database.admin.connect();
        const query = async (text: string, values: unknown[]) => {
          if (/insert into \S*"containers"/.test(text)) await finish('between');
          return await connected.query<object>(text, values);
        };
        return { query, release: (destroy) => connected.release(destroy) };
      },
    };
    const late = await openRepository(finishing, { schema, logger: silentLogger });
    expect(await rejection(insert(late, 'between'))).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
    expect(await stateOf('between')).to.equal(undefined);
    await late.close();
  });

  it('has no container afterwards if markCreated began first and commits last', async () => {
    await insert(database.repository, 'begun');
    await client.query(`begin; select from ${schema}.containers where handle = 'begun' for update`);
    const creating = database.repository.containers.markCreated('begun', 'holder');
    await database.blocked(creating);
    const finishing = finish('begun');
    await database.blocked(finishing, 2);
    await client.query('commit');
    expect(await Promise.all([creating, finishing])).to.deep.equal([1, 1]);
    expect(await stateOf('begun')).to.equal('destroying');
  });

  it('has no container afterwards if markCreated begins last', async () => {
    await insert(database.repository, 'finishing');
    await client.query(`begin; select from ${schema}.containers where handle = 'finishing' for update`);
    const finishing = finish('finishing');
    await database.blocked(finishing);
    const refused = await rejection(database.repository.containers.markCreated('finishing', 'holder'));
    expect(refused).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
    await client.query('commit');
    expect(await finishing).to.equal(1);
    expect(await stateOf('finishing')).to.equal('destroying');
  });
});
