import { execFile } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';

import type { PGlite } from '@electric-sql/pglite';
import { expect } from 'chai';
import pg from 'pg';

import type { Database } from '../../../src/repository/postgres/connection/database.ts';
import { migrations } from '../../../src/repository/postgres/migrations/index.ts';
import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { rejection } from '../../contract/repository/repository-under-test.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const run = promisify(execFile);
const opener = fileURLToPath(new URL(`opener${extname(import.meta.url)}`, import.meta.url));

describe('openRepository', () => {
  let url: string;
  let pool: pg.Pool;
  let pglite: PGlite;
  let schema: string;

  before(async () => {
    url = await sharedPostgresUrl();
    pool = new pg.Pool({ connectionString: url });
    pglite = await newPGlite();
  });

  beforeEach(async function () {
    schema = schemaOf(this.currentTest!.fullTitle());
    await pool.query(`drop schema if exists "${schema}" cascade`);
  });

  afterEach(async () => await pool.query(`drop schema if exists "${schema}" cascade`));

  after(async () => {
    await pool.end();
    await pglite.close();
  });

  const open = async (database: Database, migrate = true): Promise<Repository> =>
    await openRepository(database, { schema, migrate, logger: silentLogger });
  const execute = async (database: 'server' | 'PGlite', text: string) => {
    if (database === 'server') await pool.query(text);
    else await pglite.query(text);
  };
  const databaseOf = (kind: 'server' | 'PGlite'): Database => (kind === 'server' ? pool : pglite);

  context('when programs open an empty database at the same time', () => {
    it('all succeed and return the same installation', async () => {
      const outputs = await Promise.all([1, 2, 3].map(async () => await run(process.execPath, [opener, url, schema])));
      const ids = new Set(outputs.map(({ stdout }) => stdout));
      expect(ids.size).to.equal(1);
      expect([...ids][0]).to.match(/^[0-9a-f-]{36}$/);
    });

    for (const kind of ['server', 'PGlite'] as const) {
      it(`they can share one ${kind === 'server' ? 'pool' : 'PGlite instance'}`, async () => {
        const repositories = await Promise.all(Array.from({ length: 8 }, async () => await open(databaseOf(kind))));
        const ids = await Promise.all(
          repositories.map(async ({ workers }) => (await workers.register('worker')).installationId),
        );
        expect(new Set(ids).size).to.equal(1);
      });
    }
  });

  for (const kind of ['server', 'PGlite'] as const) {
    context(`on a ${kind}`, () => {
      it('keeps the data for a second open', async () => {
        const { installationId } = await (await open(databaseOf(kind))).workers.register('worker');
        expect(await (await open(databaseOf(kind), false)).workers.register('worker')).to.deep.equal({
          installationId,
        });
      });

      it('rejects a schema that a newer version has migrated, with and without `migrate`', async () => {
        await open(databaseOf(kind));
        await execute(
          kind,
          `insert into "${schema}".migrations (name, timestamp) values ('9999-future', '2999-01-01T00:00:00.000Z')`,
        );
        for (const migrate of [true, false]) {
          expect(await rejection(open(databaseOf(kind), migrate))).to.include({
            code: 'KW_ERR_SCHEMA_TOO_NEW',
            expected: Object.keys(migrations).sort().at(-1),
            actual: '9999-future',
          });
        }
      });

      it('names the missing migration if `migrate` is false', async () => {
        const error = await rejection(open(databaseOf(kind), false));
        expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'migrate' });
        expect(error.message).to.contain('0001-initial');
      });

      it('does not close a pool or an instance of the caller’s', async () => {
        const repository = await open(databaseOf(kind));
        await repository.close();
        await repository.close();
        await execute(kind, 'select 1');
        expect(await rejection(repository.workers.register('worker'))).to.include({ code: 'KW_ERR_CLOSED' });
      });
    });
  }

  it('needs no right to create anything once the schema exists', async () => {
    await open(pool);
    const role = `${schema}_role`;
    await pool.query(`drop role if exists ${role}`);
    await pool.query(`create role ${role} login`);
    await pool.query(
      `grant usage on schema "${schema}" to ${role}; grant select, insert, update, delete on all tables in schema "${schema}" to ${role}`,
    );
    const limited = url.replace('postgres@', `${role}@`);
    const repository = await open(limited);
    await repository.workers.register('worker');
    await repository.close();
    await pool.query(`drop schema "${schema}" cascade; drop role ${role}`);
  });

  it('leaves no table and no lock if a migration fails', async () => {
    await pool.query(`create schema "${schema}"; create table "${schema}".volumes (a int)`);
    expect(await rejection(open(pool))).to.include({ code: 'KW_ERR_REPOSITORY_UNAVAILABLE' });
    const { rows } = await pool.query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = $1`,
      [schema],
    );
    expect(rows).to.deep.equal([{ name: 'volumes' }]);
    await pool.query(`drop schema "${schema}" cascade`);
    await open(pool);
  });

  it('does not depend on the type parsers or the search path of the caller’s pool', async () => {
    const odd = new pg.Pool({
      connectionString: url,
      options: '-c search_path=pg_catalog -c timezone=Asia/Kathmandu -c datestyle=German',
      // Changes the value of every type except text.
      types: { getTypeParser: (oid: number) => (value: string) => (oid === 25 ? value : `odd ${value}`) },
    });
    const repository = await open(odd);
    await repository.workers.register('worker');
    const artifact = {
      handle: 'v',
      workerName: 'worker',
      teamId: 't',
      store: 'pod',
      location: { a: 'b' },
      timeToLiveMs: 1_000,
      leaseMs: 1_000,
    };
    await repository.volumes.insertArtifact(artifact);
    const seen = await (await open(pool)).volumes.lookup('worker', 'v');
    expect(seen!.location).to.deep.equal({ a: 'b' });
    await odd.end();
  });

  context('when there is no database', () => {
    const nowhere = 'postgres://someone:s3cret-word@127.0.0.1:1/postgres';

    it('reports that the database is unavailable, without the password', async () => {
      const error = await rejection(open(nowhere));
      expect(error).to.include({ code: 'KW_ERR_REPOSITORY_UNAVAILABLE', retryable: true });
      expect(inspect(error, { depth: 10, showHidden: true })).not.to.contain('s3cret-word');
    });

    it('rejects an unknown database or user as an invalid option', async () => {
      expect(await rejection(open(url.replace(/postgres$/, 'nonexistent')))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'database',
      });
      expect(await rejection(open(url.replace('postgres@', 'nonexistent@')))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'database',
      });
    });

    it('rejects a value that is not a URL, a pool or an instance, without the password', async () => {
      for (const bad of [
        '',
        'mysql://u:s3cret-word@h/d',
        'postgres://u:s3cret-word@h:port/d',
        'postgres://u:s3cret-word@[::1/d',
        'postgres://',
      ] as const) {
        const error = await rejection(open(bad));
        expect(error, bad).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'database' });
        expect(inspect(error, { depth: 10, showHidden: true })).not.to.contain('s3cret-word');
      }
      for (const bad of [undefined, null, 5, {}, { query: () => {} }]) {
        expect(await rejection(open(bad as unknown as Database))).to.include({
          code: 'KW_ERR_INVALID_SPEC',
          field: 'database',
        });
      }
    });
  });
});
