import { expect } from 'chai';
import pg from 'pg';

import type { DatabasePool } from '../../../src/repository/postgres/connection/database.ts';
import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { insert, ownerOf, rejection } from '../../contract/repository/repository-under-test.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describe('An owner that finishes for good during a statement of the host that creates its container', () => {
  const schema = schemaOf('finished owners');
  let admin: pg.Pool;
  let client: pg.PoolClient;
  let repository: Repository;

  before(async () => {
    const url = await sharedPostgresUrl();
    admin = new pg.Pool({ connectionString: url, max: 2 });
    await admin.query(`drop schema if exists ${schema} cascade`);
    repository = await openRepository(url, { schema, logger: silentLogger });
    await repository.workers.register('worker');
    client = await admin.connect();
  });

  after(async () => {
    client.release(true);
    await repository.close();
    await admin.query(`drop schema ${schema} cascade`);
    await admin.end();
  });

  const finish = async (key: string): Promise<number> =>
    await repository.containers.markOwnerFinished('worker', ownerOf(key), { final: true });
  const stateOf = async (handle: string): Promise<string | undefined> =>
    (await repository.containers.lookup('worker', handle))?.state;

  it('has no container afterwards if the insert commits last', async () => {
    await client.query('begin');
    await client.query(`insert into ${schema}.containers (handle, worker_name, owner_kind, owner_key, owner_digest,
        state, pod_name, metadata, settings, lease_holder, lease_until)
      values ('late', 'worker', 'build-step', 'late', encode(sha256('["build-step","late"]'), 'hex'),
        'creating', 'p', '{}', '{}', 'holder', now() + interval '1 minute')`);
    expect(await finish('late')).to.equal(0);
    await client.query('commit');
    expect(await stateOf('late')).to.equal('creating');
    expect(await rejection(repository.containers.markCreated('late', 'holder'))).to.deep.include({
      code: 'KW_ERR_OWNER_FINISHED',
      owner: ownerOf('late'),
    });
    expect(await rejection(insert(repository, 'late'))).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
  });

  it('has no container afterwards if it finishes between the search and the insert', async () => {
    const finishing: DatabasePool = {
      connect: async () => {
        const connected = await admin.connect();
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
    await insert(repository, 'begun');
    await client.query(`begin; select from ${schema}.containers where handle = 'begun' for update`);
    const creating = repository.containers.markCreated('begun', 'holder');
    await blocked(1);
    const finishing = finish('begun');
    await blocked(2);
    await client.query('commit');
    expect(await Promise.all([creating, finishing])).to.deep.equal([1, 1]);
    expect(await stateOf('begun')).to.equal('destroying');
  });

  it('has no container afterwards if markCreated begins last', async () => {
    await insert(repository, 'finishing');
    await client.query(`begin; select from ${schema}.containers where handle = 'finishing' for update`);
    const finishing = finish('finishing');
    await blocked(1);
    const refused = await rejection(repository.containers.markCreated('finishing', 'holder'));
    expect(refused).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
    await client.query('commit');
    expect(await finishing).to.equal(1);
    expect(await stateOf('finishing')).to.equal('destroying');
  });

  /** Resolves when this many statements wait for a lock. */
  async function blocked(count: number): Promise<void> {
    for (let waiting = 0; waiting < count; )
      waiting = (await admin.query('select from pg_locks where not granted')).rowCount ?? 0;
  }
});
