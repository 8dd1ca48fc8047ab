import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { testSeed } from '../../support/seeded-random.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { runOnEmbedded } from './run-embedded.ts';
import { ModelDatabase } from './system/model-database.ts';

const env = process.env;
const seed = Number(env['MODEL_SEED'] ?? testSeed());
const runs = Number(env['MODEL_RUNS'] ?? 4);

describe('two replicas of a worker on one embedded cluster, in any order of calls, crashes and faults', function () {
  this.timeout(900_000);
  let database: ModelDatabase | undefined;
  let cluster: EmbeddedCluster | undefined;

  before(async () => {
    database = await ModelDatabase.inProcess();
    cluster = await EmbeddedCluster.start({ crashLoopBackOffMs: 100 });
    const repository = await openRepository(database.ungated, { logger: silentLogger });
    await repository.close();
  });

  after(async () => {
    await cluster?.close();
    await database?.close();
  });

  it('keep every invariant, and leave no row, pod, folder, config map or key', async () => {
    for (let run = 0; run < runs; run += 1) {
      const { steps, calls, containers, artifacts } = await runOnEmbedded(database!, cluster!, seed + run);
      const made = `${containers} containers, ${artifacts} artifacts`;
      console.log(`      MODEL_SEED=${seed + run}: ${steps} steps, ${calls} calls, ${made}`);
    }
  });
});
