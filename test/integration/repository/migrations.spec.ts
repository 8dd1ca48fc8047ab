import { execFile } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { PGlite } from '@electric-sql/pglite';
import { expect } from 'chai';
import pg from 'pg';

import { connect } from '../../../src/repository/postgres/connection/connection.ts';
import { StatementRunner } from '../../../src/repository/postgres/connection/statement-runner.ts';
import { checksums } from '../../../src/repository/postgres/migrations/checksums.ts';
import { SchemaMigrator } from '../../../src/repository/postgres/migrations/migrator.ts';
import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const run = promisify(execFile);
const opener = fileURLToPath(new URL(`opener${extname(import.meta.url)}`, import.meta.url));
const migrationLock = '5429795880494974290';

/** Returns the statements that undo the last migrations, from the one that added the checksums on. */
function undoChecksums(schema: string): readonly string[] {
  return [
    `alter table "${schema}".hijacks drop column started_at`,
    `drop index "${schema}".containers_by_worker_and_owner_kind, "${schema}".volumes_by_worker_and_kind`,
    `create index volumes_by_worker on "${schema}".volumes (worker_name)`,
    `drop index "${schema}".volumes_by_worker_and_time`,
    `drop index "${schema}".volumes_by_worker_and_rare_state`,
    `alter table "${schema}".volumes drop column archive_id, drop column archive, drop column archive_ready_at,
       drop column unsaved_at`,
    `drop table "${schema}".archives`,
    `alter table "${schema}".migrations drop column checksum, drop column compatible_from`,
    `delete from "${schema}".migrations where name >= '0015'`,
  ];
}

describe('The migrations of a database', () => {
  const schema = schemaOf('migrations');
  let url: string;
  let pool: pg.Pool;
  let pglite: PGlite;

  before(async () => {
    url = await sharedPostgresUrl();
    pool = new pg.Pool({ connectionString: url, max: 3 });
    pglite = await newPGlite();
  });

  beforeEach(async () => {
    await pool.query(`drop schema if exists "${schema}" cascade`);
    await pglite.query(`drop schema if exists "${schema}" cascade`);
  });

  after(async () => {
    await pool.query(`drop schema if exists "${schema}" cascade`);
    await pool.end();
    await pglite.close();
  });

  for (const kind of ['server', 'PGlite'] as const) {
    context(`on a ${kind}`, () => {
      const databaseOf = () => (kind === 'server' ? pool : pglite);
      const query = async (text: string): Promise<readonly unknown[]> =>
        (kind === 'server' ? await pool.query(text) : await pglite.query(text)).rows;
      const open = async (migrate = true) =>
        await openRepository(databaseOf(), { schema, migrate, logger: silentLogger });
      const recorded = async (): Promise<unknown> =>
        (
          (await query(`select jsonb_object_agg(name, checksum) as checksums from "${schema}".migrations`))[0] as {
            checksums: unknown;
          }
        ).checksums;

      it('are recorded with their checksums', async () => {
        await open();
        expect(await recorded()).to.deep.equal(checksums);
      });

      it('are refused if one that was applied has changed, with and without `migrate`', async () => {
        await open();
        await query(`update "${schema}".migrations set checksum = 'other' where name = '0004-output-sizes'`);
        for (const migrate of [true, false])
          expect(await rejection(open(migrate))).to.include({
            code: 'KW_ERR_MIGRATION_CHANGED',
            migration: '0004-output-sizes',
            expected: checksums['0004-output-sizes'],
            actual: 'other',
          });
      });

      it('get their checksums at first sight if a version without checksums has applied them', async () => {
        await open();
        for (const statement of undoChecksums(schema)) await query(statement);
        await open();
        expect(await recorded()).to.deep.equal(checksums);
      });
    });
  }

  for (const [when, statement] of [
    ['between two tables', 'create table "$schema"."volumes"'],
    ['before its commit', 'commit'],
  ] as const) {
    it(`leave nothing behind if the process is killed ${when}, and the next process applies them`, async () => {
      const killed = await rejection(
        run(process.execPath, [opener, url, schema, statement.replace('$schema', schema)]),
      );
      expect(killed).to.include({ signal: 'SIGKILL' });
      // The server ends the transaction when it notices the end of the connection.
      await pool.query(`begin; select pg_advisory_xact_lock(${migrationLock}); commit`);
      const { rowCount } = await pool.query('select from information_schema.schemata where schema_name = $1', [schema]);
      expect(rowCount).to.equal(0);
      expect((await run(process.execPath, [opener, url, schema])).stdout).to.match(/^[0-9a-f-]{36}$/);
    });
  }

  context('while another program holds a lock', () => {
    const migrate = async (): Promise<void> => {
      const connection = await connect(pool, silentLogger);
      const runner = new StatementRunner({ db: connection.db, clock: new VirtualClock() });
      const lockTimeouts = { migrationMs: 50, tableMs: 50 };
      await new SchemaMigrator({ db: connection.db, runner, schema, logger: silentLogger, lockTimeouts }).migrate();
    };

    for (const [what, prepare, lock] of [
      ['of the migration', async () => {}, `select pg_advisory_xact_lock(${migrationLock})`],
      [
        'of a table',
        async () => {
          await openRepository(pool, { schema, logger: silentLogger });
          for (const statement of undoChecksums(schema)) await pool.query(statement);
        },
        // What a long report or a backup holds.
        `lock table "${schema}".migrations in access share mode`,
      ],
    ] as const) {
      it(`${what}, are refused with a retryable error after the time limit, and change nothing`, async () => {
        await prepare();
        const other = await pool.connect();
        // A migration without a limit continues then, instead of waiting for ever.
        const release = setTimeout(() => void other.query('rollback'), 60_000);
        try {
          await other.query('begin');
          await other.query(lock);
          const error = await rejection(migrate());
          expect(error).to.include({ code: 'KW_ERR_REPOSITORY_UNAVAILABLE', retryable: true });
          expect(error).to.have.nested.property('cause.code', '55P03');
        } finally {
          clearTimeout(release);
          await other.query('rollback');
          other.release();
        }
        await migrate();
      });
    }
  });

  it('leave no setting on the connection of the caller’s pool', async () => {
    const one = new pg.Pool({ connectionString: url, max: 1 });
    await openRepository(one, { schema, logger: silentLogger });
    const { rows } = await one.query("select current_setting('lock_timeout') as limit");
    await one.end();
    expect(rows).to.deep.equal([{ limit: '0' }]);
  });
});
