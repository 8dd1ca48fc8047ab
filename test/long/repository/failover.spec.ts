import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { insert } from '../../contract/repository/repository-under-test.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const unavailable = { code: 'KW_ERR_REPOSITORY_UNAVAILABLE', retryable: true };
const handles = Array.from({ length: 30 }, (_, index) => `c${index}`);

describe('A pool whose server becomes a standby, and then the primary again', () => {
  let server: PostgresServer;

  before(async () => (server = await PostgresServer.start()));
  after(async () => await server.stop());

  /** Calls until the result is one of a server that answers. Every failure must be retryable. */
  const answered = async <T>(call: () => Promise<T>): Promise<T> => {
    for (let failures = 0; failures <= 10; failures += 1) {
      const outcome = await call().then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      if ('value' in outcome) return outcome.value;
      expect(outcome.error).to.include(unavailable);
    }
    return expect.fail('the pool did not recover');
  };
  const statesOf = async (repository: Repository): Promise<readonly (string | undefined)[]> =>
    await Promise.all(
      handles.map(async (handle) => (await answered(() => repository.containers.lookup('worker', handle)))?.state),
    );

  for (const [name, max] of [
    ['of one connection', 1],
    ['of ten connections', 10],
  ] as const) {
    it(`loses no move that was acknowledged, and refuses the others with a retryable error, with a pool ${name}`, async () => {
      const pool = new pg.Pool({ connectionString: server.url, max });
      pool.on('error', () => {});
      pool.on('connect', (client) => client.on('error', () => {}));
      const repository = await openRepository(pool, { logger: silentLogger });
      await pool.query(`truncate kubernetes_worker.containers cascade`);
      await repository.workers.register('worker');
      for (const handle of handles) await insert(repository, handle);
      const move = async (handle: string): Promise<'moved' | 'refused'> =>
        await repository.containers.markCreated(handle, 'holder').then(
          () => 'moved' as const,
          (error: unknown) => {
            expect(error).to.include(unavailable);
            return 'refused' as const;
          },
        );

      const moves = handles.slice(0, 20).map(move);
      await moves[0];
      await server.becomeStandby();
      const outcomes = await Promise.all(moves);
      expect(outcomes[0]).to.equal('moved');
      // A standby answers look-ups, but may lack the newest moves until it is the primary.
      await statesOf(repository);
      expect(await Promise.all(handles.map(move))).to.deep.equal(handles.map(() => 'refused'));

      await server.promote();
      const states = await statesOf(repository);
      for (const [index, outcome] of outcomes.entries())
        if (outcome === 'moved') expect(states[index], handles[index]).to.equal('created');
      expect(states.slice(20), 'what the standby has refused').to.deep.equal(
        Array.from({ length: 10 }, () => 'creating'),
      );
      for (const handle of handles) await answered(() => repository.containers.markCreated(handle, 'holder'));
      expect(await statesOf(repository)).to.deep.equal(handles.map(() => 'created'));
      await repository.close();
      await pool.end();
    });
  }
});
