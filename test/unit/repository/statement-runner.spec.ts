import { expect } from 'chai';
import { Kysely } from 'kysely';

import type { DatabaseClient, DatabasePool } from '../../../src/repository/postgres/connection/database.ts';
import { PoolDialect } from '../../../src/repository/postgres/connection/pool-driver.ts';
import { StatementRunner } from '../../../src/repository/postgres/connection/statement-runner.ts';
import type { Tables } from '../../../src/repository/postgres/tables.ts';
import { rejection } from '../../contract/repository/repository-under-test.ts';

/** A pool of one client with scripted answers. */
class ScriptedPool implements DatabasePool {
  readonly statements: string[] = [];
  readonly releases: (boolean | undefined)[] = [];
  readonly listeners = new Set<(error: Error) => void>();
  readonly #answers: (Error | unknown[])[];

  constructor(answers: (Error | unknown[])[]) {
    this.#answers = answers;
  }

  async connect(): Promise<DatabaseClient> {
    return {
      query: async (text) => {
        this.statements.push(text);
        const answer = this.#answers.shift() ?? [];
        if (answer instanceof Error) throw answer;
        return { rows: answer };
      },
      release: (destroy) => this.releases.push(destroy),
      on: (_event, listener) => this.listeners.add(listener),
      removeListener: (_event, listener) => this.listeners.delete(listener),
    };
  }
}

const answer = (code: string): Error => Object.assign(new Error('message of the server'), { code, severity: 'ERROR' });

describe('StatementRunner', () => {
  const waits: number[] = [];
  const runnerOf = (pool: DatabasePool) =>
    new StatementRunner({
      db: new Kysely<Tables>({ dialect: new PoolDialect(pool), log: [] }),
      clock: { now: () => 0, sleep: async (delayMs) => void waits.push(delayMs) },
    });
  const statement = new Kysely<Tables>({ dialect: new PoolDialect(new ScriptedPool([])) }).selectNoFrom(({ lit }) =>
    lit<number>(1).as('a'),
  );

  beforeEach(() => waits.splice(0));

  it('returns the rows', async () => {
    const pool = new ScriptedPool([[{ a: 1 }, { a: 2 }]]);
    expect(await runnerOf(pool).rows(statement)).to.deep.equal([{ a: 1 }, { a: 2 }]);
    expect(pool.releases).to.deep.equal([false]);
  });

  it('retries a statement that lost a conflict, after a wait, and returns its rows', async () => {
    const pool = new ScriptedPool([answer('40P01'), answer('40001'), [{ a: 1 }]]);
    expect(await runnerOf(pool).first(statement)).to.deep.equal({ a: 1 });
    expect(waits).to.have.length(2);
    expect(waits[0]).to.be.within(5, 10);
    expect(waits[1]).to.be.within(10, 20);
  });

  it('rejects after six attempts', async () => {
    const pool = new ScriptedPool(Array.from({ length: 10 }, () => answer('40001')));
    expect(await rejection(runnerOf(pool).rows(statement))).to.include({ code: 'KW_ERR_REPOSITORY_UNAVAILABLE' });
    expect(pool.statements).to.have.length(6);
  });

  it('never retries a statement that may have succeeded', async () => {
    const pool = new ScriptedPool([new Error('Connection terminated unexpectedly')]);
    expect(await rejection(runnerOf(pool).rows(statement))).to.include({ code: 'KW_ERR_REPOSITORY_UNAVAILABLE' });
    expect(pool.statements).to.have.length(1);
  });

  it('keeps a connection on which the server answered, and closes one on which it did not answer', async () => {
    const pool = new ScriptedPool([answer('23505'), new Error('Query read timeout')]);
    const runner = runnerOf(pool);
    await rejection(runner.rows(statement));
    await rejection(runner.rows(statement));
    expect(pool.releases).to.deep.equal([false, true]);
    expect(pool.listeners.size).to.equal(0);
  });

  it('closes a connection on which the server reports that it cannot serve', async () => {
    const states = ['25006', '57P01', '57P02', '57P03', '08006', '08P01'];
    const pool = new ScriptedPool(states.map(answer));
    const runner = runnerOf(pool);
    for (const state of states) {
      expect(await rejection(runner.rows(statement)), state).to.include({
        code: 'KW_ERR_REPOSITORY_UNAVAILABLE',
        retryable: true,
      });
    }
    expect(pool.releases).to.deep.equal(states.map(() => true));
  });

  it('closes a connection that failed while it was checked out', async () => {
    const pool = new ScriptedPool([]);
    const db = new Kysely<unknown>({ dialect: new PoolDialect(pool), log: [] });
    await db.connection().execute(async () => pool.listeners.forEach((listener) => listener(new Error('gone'))));
    expect(pool.releases).to.deep.equal([true]);
  });

  it('sends nothing after close()', async () => {
    const pool = new ScriptedPool([]);
    const runner = runnerOf(pool);
    runner.close();
    expect(await rejection(runner.rows(statement))).to.include({ code: 'KW_ERR_CLOSED' });
    expect(pool.statements).to.have.length(0);
  });
});
