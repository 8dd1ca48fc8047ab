import { expect } from 'chai';
import { sql } from 'kysely';
import pg from 'pg';

import { connect } from '../../../src/repository/postgres/connection/connection.ts';
import { StatementRunner } from '../../../src/repository/postgres/connection/statement-runner.ts';
import { checksums } from '../../../src/repository/postgres/migrations/checksums.ts';
import { migrations, type SchemaMigration } from '../../../src/repository/postgres/migrations/index.ts';
import { type KnownMigrations, SchemaMigrator } from '../../../src/repository/postgres/migrations/migrator.ts';
import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { containerOf } from '../../contract/repository/repository-under-test.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const last = Object.keys(migrations).sort().at(-1)!;
const next = '9998-next';

/** Adds a column that older versions neither read nor write. */
const addColumn: SchemaMigration['up'] = async (db) => {
  await db.schema.alterTable('containers').addColumn('of_the_next_version', 'text').execute();
};

/** The version after this one. */
function newerVersion(compatibleFrom: string | undefined, { up = addColumn } = {}): KnownMigrations {
  return {
    migrations: { ...migrations, [next]: { up, compatibleFrom } },
    checksums: { ...checksums, [next]: 'the checksum of the next version' },
  };
}

describe('A database that another version has migrated', () => {
  const schema = schemaOf('version-skew');
  let pool: pg.Pool;

  before(async () => {
    pool = new pg.Pool({ connectionString: await sharedPostgresUrl(), max: 3 });
  });

  const drop = async (): Promise<unknown> => await pool.query(`drop schema if exists "${schema}" cascade`);
  beforeEach(drop);
  after(async () => {
    await drop();
    await pool.end();
  });

  const migrator = async (known?: KnownMigrations): Promise<SchemaMigrator> => {
    const { db } = await connect(pool, silentLogger);
    const runner = new StatementRunner({ db, clock: new VirtualClock() });
    return new SchemaMigrator({ db, runner, schema, logger: silentLogger, known });
  };
  const migrate = async (known?: KnownMigrations): Promise<readonly string[]> =>
    await (await migrator(known)).migrate();

  context('when it is newer, and this version works with it', () => {
    beforeEach(async () => {
      await migrate(newerVersion(last));
    });

    for (const mode of [true, false])
      it(`is opened and used with migrate: ${mode}`, async () => {
        await using repository = await opened(mode);
        await repository.workers.register('worker');
        const lease = { holder: 'holder', durationMs: 10_000 };
        const owner = { kind: 'k', key: 'k' };
        const found = await repository.containers.findOrInsert('worker', owner, lease, () =>
          containerOf('h', owner, []),
        );
        expect(found.container.handle).to.equal('h');
        expect(await repository.missingMigrations()).to.deep.equal([]);
      });

    const opened = async (mode: boolean) => {
      const repository = await openRepository(pool, { schema, migrate: mode, logger: silentLogger });
      return Object.assign(repository, { [Symbol.asyncDispose]: async () => await repository.close() });
    };

    it('is used by an object that was open before as well', async () => {
      await drop();
      await using repository = await opened(true);
      await migrate(newerVersion(last));
      await repository.workers.register('worker');
    });
  });

  context('when it is newer, and this version does not work with it', () => {
    for (const [what, compatibleFrom] of [
      ['works with later versions only', next],
      ['works with no other version', undefined],
    ] as const)
      it(`is refused if it ${what}`, async () => {
        await migrate(newerVersion(compatibleFrom));
        for (const mode of [true, false])
          expect(await rejection(openRepository(pool, { schema, migrate: mode, logger: silentLogger }))).to.include({
            code: 'KW_ERR_SCHEMA_TOO_NEW',
            expected: last,
            actual: next,
          });
      });

    it('is refused if one of several newer migrations is not compatible', async () => {
      const { migrations: two, checksums: sums } = newerVersion(undefined);
      const after = { up: async () => {}, compatibleFrom: last };
      await migrate({ migrations: { ...two, '9999-after': after }, checksums: { ...sums, '9999-after': 'x' } });
      expect(await rejection(migrate())).to.include({ code: 'KW_ERR_SCHEMA_TOO_NEW', actual: '9999-after' });
    });

    it('is refused if it lacks a migration of this version, whatever it is compatible with', async () => {
      await migrate(newerVersion(last));
      await pool.query(`delete from "${schema}".migrations where name = $1`, [last]);
      expect(await rejection(migrate())).to.include({ code: 'KW_ERR_SCHEMA_TOO_NEW' });
    });
  });

  it('is migrated by the newer version, which records what its migration is compatible with', async () => {
    await migrate();
    expect(await migrate(newerVersion(last))).to.deep.equal([next]);
    const { rows } = await pool.query(`select compatible_from from "${schema}".migrations where name = $1`, [next]);
    expect(rows).to.deep.equal([{ compatible_from: last }]);
  });

  it('is opened if a newer, compatible version migrates it at the same time', async () => {
    const older = await migrator();
    const meanwhile = newerVersion(last, {
      up: async (db) => {
        // Until the other program waits for the lock of the migration.
        await sql`select pg_sleep(0.5)`.execute(db);
        await addColumn(db);
      },
    });
    const newer = migrate(meanwhile);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [first] = await Promise.all([older.migrate(), newer]);
    expect(first).to.not.include(next);
    expect(await migrate()).to.deep.equal([]);
  });
});
