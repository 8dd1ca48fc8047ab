import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { rejection } from '../../contract/repository/repository-under-test.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describe('A database whose URL is replaced', () => {
  let server: PostgresServer;
  let admin: pg.Client;
  let url: string;
  let reads: number;
  let lines: string[];
  let repository: Repository;

  before(async () => {
    server = await PostgresServer.start({ guarded: ['ci', 'next'] });
    admin = new pg.Client(server.url);
    await admin.connect();
    await admin.query(`create role ci superuser login password 'first'; create role next superuser login`);
  });

  after(async () => {
    await admin.end();
    await server.stop();
  });

  beforeEach(async () => {
    await admin.query(`alter role ci password 'first'; alter role next password 'own'`);
    [url, reads, lines] = [server.urlOf('ci', 'first'), 0, []];
    const log = (message: string): void => void lines.push(message);
    const read = async (): Promise<string> => {
      reads += 1;
      return url;
    };
    repository = await openRepository(read, { logger: { ...silentLogger, info: log, warn: log } });
    lines = [];
  });

  afterEach(async () => await repository.close());

  const roles = async (): Promise<readonly string[]> => {
    const { rows } = await admin.query(
      `select distinct usename from pg_stat_activity where application_name = 'kubernetes-worker'`,
    );
    return rows.map(({ usename }) => usename);
  };
  const endConnections = async (): Promise<void> => {
    await admin.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'kubernetes-worker'`,
    );
  };
  const many = async (): Promise<void> => {
    await Promise.all(Array.from({ length: 20 }, () => repository.workers.time()));
  };

  it('is not asked for it again while connections open', async () => {
    const before = reads;
    await many();
    expect([reads, await roles()]).to.deep.equal([before, ['ci']]);
  });

  it('connects with the new password of its role, in all calls that are under way', async () => {
    await admin.query(`alter role ci password 'second'`);
    url = server.urlOf('ci', 'second');
    await endConnections();
    await many();
    expect(lines).to.include('the URL of the database was replaced');
    expect(await roles()).to.deep.equal(['ci']);
  });

  it('keeps the connections that it has until a new one is refused', async () => {
    await admin.query(`alter role ci password 'second'`);
    await repository.workers.time();
    expect(await roles()).to.deep.equal(['ci']);
  });

  it('connects as another role, and closes the connections of the one before', async () => {
    await many();
    await admin.query(`alter role ci password 'second'`);
    url = server.urlOf('next', 'own');
    await endConnections();
    await many();
    expect(await roles()).to.deep.equal(['next']);
  });

  it('rejects while the new URL is not there yet, and works when it is', async () => {
    await admin.query(`alter role ci password 'second'`);
    await endConnections();
    expect(await rejection(repository.workers.time())).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'database' });
    url = server.urlOf('ci', 'second');
    await repository.workers.time();
  });

  it('rejects with the failure of the connection if there is no valid URL, which it does not log', async () => {
    await admin.query(`alter role ci password 'second'`);
    await endConnections();
    url = 'file:///planted';
    expect(await rejection(repository.workers.time())).to.have.nested.property('cause.code', '28P01');
    expect(lines).to.include('the URL of the database cannot be replaced');
    expect(lines.join('\n')).to.not.contain('planted');
  });
});

describe('A database without a first URL', () => {
  it('rejects with the failure of the function', async () => {
    const failure = new Error('no secret yet');
    const read = async (): Promise<string> => await Promise.reject(failure);
    expect(await rejection(openRepository(read, { logger: silentLogger }))).to.equal(failure);
  });
});
