import { PGlite } from '@electric-sql/pglite';
import { dataDir } from '@electric-sql/pglite-prepopulatedfs';

/** A new database in this process. Its files come prepared: to make them is most of what starting one costs. */
export async function newPGlite(): Promise<PGlite> {
  return await PGlite.create({ loadDataDir: await dataDir() });
}
