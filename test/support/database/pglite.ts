import { PGlite } from '@electric-sql/pglite';
import { dataDir } from '@electric-sql/pglite-prepopulatedfs';

/**
 * Returns a new database in this process. It uses prepared files, because initdb takes most of a
 * start.
 */
export async function newPGlite(): Promise<PGlite> {
  return await PGlite.create({ loadDataDir: await dataDir() });
}
