import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { describeRepository } from '../../contract/repository/describe-repository.ts';
import { costOf, fillTables, planOf, rowsReadBy } from '../../support/database/plans.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { type RecordedStatement, RecordingPool } from '../../support/database/recording-pool.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const volumes = 100_000;

/** The most rows that a statement may read which changes nothing: fewer than any of the tables has. */
const mostRows = 10_000;

/** A part of the text of each statement that is about all rows of a worker. */
const aboutAllRows: Readonly<Record<string, string>> = {
  'a heartbeat counts them': '"heartbeat_at" = now()',
  'a usage groups them': 'with "counted" as',
  'an eviction ranks the archives of a store': 'with "unused" as',
  'the deletion of a worker looks for them, or deletes them': '"forgotten" as (delete from',
};
const isAboutAllRows = ({ text }: RecordedStatement): boolean =>
  Object.values(aboutAllRows).some((part) => text.includes(part));

function changesNothing({ text }: RecordedStatement): boolean {
  return !/\b(insert into|update|delete from)\b/.test(text);
}

/** Replaces the name of a small worker, because the planner estimates how many rows a worker has. */
function ofLargeWorker(value: unknown): unknown {
  return typeof value === 'string' && /^(worker-\d+|elsewhere)$/.test(value) ? 'worker' : value;
}

describe('The plans of every statement of the repository', () => {
  const schema = schemaOf('plans');
  const recorded = new Map<string, RecordedStatement>();
  let pool: pg.Pool;

  before(async () => (pool = new pg.Pool({ connectionString: await sharedPostgresUrl() })));
  after(async () => {
    await pool.query(`drop schema if exists "${schema}" cascade`);
    await pool.end();
  });

  // The contract calls every method. Its statements are those of any other schema.
  describeRepository('a pool that records its statements', async () => {
    const recording = new RecordingPool(pool);
    const ownSchema = /"kw_test_[0-9a-f]{16}"/g;
    return {
      open: async (testSchema) => await openRepository(recording, { schema: testSchema, logger: silentLogger }),
      query: async (text) => (await pool.query<Record<string, unknown>>(text)).rows,
      stop: async () => {
        for (const { text, values } of recording.statements) {
          const moved = text.replaceAll(ownSchema, `"${schema}"`);
          if (moved.includes(schema) && /^(select|with|insert|update|delete)\b/.test(moved))
            recorded.set(moved, { text: moved, values: values.map(ofLargeWorker) });
        }
      },
    };
  });

  describe(`at ${volumes.toLocaleString('en')} volumes`, () => {
    it('read no large table from the first to the last row, and few rows, unless they are about all rows of a worker', async () => {
      await pool.query(`drop schema if exists "${schema}" cascade`);
      await openRepository(pool, { schema, logger: silentLogger });
      await fillTables(pool, schema, volumes);
      expect(recorded.size).to.be.greaterThan(40);
      const failures: string[] = [];
      for (const statement of recorded.values()) {
        const { cost, scanned } = await costOf(pool, statement);
        if (process.env['KW_PLANS'] !== undefined)
          console.log(`${cost}: ${statement.text}\n${await planOf(pool, statement)}\n`);
        if (isAboutAllRows(statement)) continue;
        if (scanned.length > 0) failures.push(`${scanned.join(', ')}: ${statement.text}`);
        const read = changesNothing(statement) ? await rowsReadBy(pool, statement) : 0;
        if (read > mostRows) failures.push(`${read} rows: ${statement.text} ${JSON.stringify(statement.values)}`);
      }
      expect(failures).to.deep.equal([]);
    });
  });
});
