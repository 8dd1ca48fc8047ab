import { readFileSync } from 'node:fs';

import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { insert, rejection } from '../../contract/repository/repository-under-test.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

/** Returns the blocks of SQL of `docs/database.md`, for the schema and the roles of this test. */
function documentedSql(schema: string): readonly string[] {
  const text = readFileSync(new URL('../../../docs/database.md', import.meta.url), 'utf8');
  return [...text.matchAll(/```sql\n([^`]*)```/g)].map(([, block = '']) =>
    block
      .replaceAll('kubernetes_worker', `"${schema}"`)
      .replaceAll('kw_migrator', `"${schema}_migrator"`)
      .replaceAll('kw_host', `"${schema}_host"`),
  );
}

describe('A role that may not create anything, with the grants of docs/database.md', () => {
  const schema = schemaOf('roles');
  const [migrator, host] = [`${schema}_migrator`, `${schema}_host`];
  let url: string;
  let admin: pg.Pool;
  const urlOf = (role: string): string => url.replace('postgres@', `${role}@`);
  const open = async (role: string, migrate: boolean) =>
    await openRepository(urlOf(role), { schema, migrate, logger: silentLogger });
  const removeRoles = async (): Promise<void> => {
    await admin.query(`drop schema if exists "${schema}" cascade`);
    for (const role of [migrator, host]) {
      const { rowCount } = await admin.query('select from pg_roles where rolname = $1', [role]);
      if (rowCount !== 0) await admin.query(`drop owned by "${role}"; drop role "${role}"`);
    }
  };

  before(async () => {
    url = await sharedPostgresUrl();
    admin = new pg.Pool({ connectionString: url, max: 1 });
    await removeRoles();
  });

  after(async () => {
    await removeRoles();
    await admin.end();
  });

  it('serves a host, and the tables of later migrations as well, once another role has migrated', async () => {
    const [once = '', grants = ''] = documentedSql(schema);
    await admin.query(once);
    expect(await rejection(open(host, false))).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'migrate' });
    const refused = await rejection(open(host, true));
    expect(refused).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'database' });
    expect(refused).to.have.nested.property('cause.code', '42501');
    await (await open(migrator, true)).close();
    const owner = new pg.Pool({ connectionString: urlOf(migrator), max: 1 });
    await owner.query(grants);
    await owner.query(`create table "${schema}".later (a int)`);
    await owner.end();

    const repository = await open(host, false);
    await repository.workers.register('worker');
    await insert(repository, 'c');
    await repository.containers.markCreated('c', 'holder');
    await repository.containers.markOwnerFinished('worker', { kind: 'build-step', key: 'c' }, { final: true });
    await repository.containers.findDestroyable('worker', 1);
    expect(await repository.containers.delete('c')).to.equal(2);
    await repository.close();
    const hosts = new pg.Pool({ connectionString: urlOf(host), max: 1 });
    await hosts.query(`insert into "${schema}".later values (1)`);
    expect(await rejection(hosts.query(`create table "${schema}".own (a int)`))).to.include({ code: '42501' });
    await hosts.end();
  });
});
