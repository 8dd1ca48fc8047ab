import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { sharedPostgresUrl } from '../../support/database/postgres.ts';
import { testSeed } from '../../support/seeded-random.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { runModel, type Selection } from './run-model.ts';
import { ModelDatabase } from './system/model-database.ts';

/**
 * Sequences that detect the faults of `test/mutations/model.ts`. They have to be found again after a
 * change of `commands/steps.ts`.
 */
const known: readonly Selection[] = [
  { seed: 101, path: '19', runs: 1 },
  { seed: 111, path: '2', runs: 1 },
  { seed: 121, path: '31', runs: 1 },
  { seed: 131, path: '11', runs: 1 },
  { seed: 141, path: '3', runs: 1 },
  { seed: 151, path: '2', runs: 1 },
];
const env = process.env;
const seed = Number(env['MODEL_SEED'] ?? testSeed());
const random: Selection = {
  seed,
  path: env['MODEL_PATH'],
  runs: env['MODEL_PATH'] === undefined ? Number(env['MODEL_RUNS'] ?? 60) : 1,
};
const onServer: Selection = { ...random, runs: Math.ceil(random.runs / 8) };

describe('two replicas of a worker, in any order of calls, crashes and faults', function () {
  // A failure with MODEL_SHRINK is run many times.
  this.timeout(1_200_000);

  for (const [name, open, selections] of [
    ['PGlite, with sequences that detect known faults', () => ModelDatabase.inProcess(), known],
    ['PGlite, with random sequences', () => ModelDatabase.inProcess(), [random]],
    [
      'a PostgreSQL server, with random sequences',
      async () => ModelDatabase.onServer(await sharedPostgresUrl()),
      [onServer],
    ],
  ] as const)
    context(`over ${name}`, () => {
      let database: ModelDatabase | undefined;

      before(async () => {
        database = await open();
        const repository = await openRepository(database.ungated, { logger: silentLogger });
        await repository.close();
      });

      after(async () => {
        await database?.close();
      });

      it('keep every invariant at every step and at rest', async () => {
        for (const selection of selections) {
          const { runs, calls } = await runModel(database!, selection);
          if (selections !== known) console.log(`      MODEL_SEED=${seed}: ${runs} sequences, ${calls} calls`);
        }
      });
    });
});
