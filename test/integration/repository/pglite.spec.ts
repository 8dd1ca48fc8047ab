import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { describeRepository } from '../../contract/repository/describe-repository.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describeRepository('PGlite', async () => {
  const database = await newPGlite();
  return {
    open: async (schema) => await openRepository(database, { schema, logger: silentLogger }),
    query: async (text) => (await database.query<Record<string, unknown>>(text)).rows,
    stop: async () => await database.close(),
  };
});
