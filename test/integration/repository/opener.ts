// The other process of the specs of migrations: opens a database and prints its installation id.
// `node opener.ts URL SCHEMA [TEXT]`. With a text, it kills itself instead of the first statement
// that contains the text.
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const [url = '', schema = '', fatal] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url });
const repository = await openRepository(
  {
    connect: async () => {
      const client = await pool.connect();
      return {
        query: async (text, values) => {
          if (fatal !== undefined && text.includes(fatal)) process.kill(process.pid, 'SIGKILL');
          return await client.query(text, values);
        },
        release: (destroy) => client.release(destroy),
      };
    },
  },
  { schema, logger: silentLogger },
);
const { installationId } = await repository.workers.register('worker');
await repository.close();
await pool.end();
process.stdout.write(installationId);
