import { expect } from 'chai';

import {
  type OwnPool,
  openPool,
  type PgModule,
  type PoolConfig,
} from '../../../src/repository/postgres/connection/pg-pool.ts';
import { rejection } from '../../contract/repository/repository-under-test.ts';
import { silentLogger } from '../../support/silent-logger.ts';

/** The used subset of the package `pg`. Records the options of every pool. */
function recordingPg(): {
  readonly pg: PgModule;
  readonly configs: PoolConfig[];
  readonly listeners: ((error: Error) => void)[];
} {
  const configs: PoolConfig[] = [];
  const listeners: ((error: Error) => void)[] = [];
  class Pool implements OwnPool {
    constructor(config: PoolConfig) {
      configs.push(config);
    }
    on(_event: 'error', listener: (error: Error) => void): unknown {
      return listeners.push(listener);
    }
    async connect(): Promise<never> {
      throw new Error('not connected in this test');
    }
    async end(): Promise<void> {}
  }
  class Client {
    readonly url: string;
    constructor(url: string) {
      this.url = url;
    }
  }
  return { pg: { Pool, Client }, configs, listeners };
}

describe('openPool', () => {
  it('creates a small pool with time-outs and connection lifetimes, and sends no start-up parameter except its name', async () => {
    const { pg, configs } = recordingPg();
    await openPool('postgres://h/d', silentLogger, async () => pg);
    expect(configs).to.have.length(1);
    expect(configs[0]).to.include({
      connectionString: 'postgres://h/d',
      max: 10,
      query_timeout: 30_000,
      maxLifetimeSeconds: 900,
      keepAlive: true,
    });
    const startup = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'options'];
    expect(configs[0])
      .to.include({ application_name: 'kubernetes-worker' })
      .and.not.to.have.any.keys(...startup);
  });

  it('logs a connection that fails while idle, and does not end the host', async () => {
    const { pg, listeners } = recordingPg();
    const warnings: unknown[] = [];
    await openPool(
      'postgresql://h/d',
      { ...silentLogger, warn: (_message, fields) => warnings.push(fields) },
      async () => pg,
    );
    for (const listener of listeners) listener(new Error('terminated'));
    expect(warnings).to.deep.equal([{ error: 'terminated' }]);
  });

  it('names the package to install if pg is missing', async () => {
    const missing = async () => {
      throw Object.assign(new Error(`Cannot find package 'pg'`), { code: 'ERR_MODULE_NOT_FOUND' });
    };
    const error = await rejection(openPool('postgres://u:secret@h/d', silentLogger, missing));
    expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'database' });
    expect(error.message).to.contain('npm install pg').and.not.to.contain('secret');
  });

  it('loads nothing for a URL that is not a PostgreSQL URL', async () => {
    const error = await rejection(openPool('file:///etc/passwd', silentLogger, async () => expect.fail('loaded')));
    expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'database' });
  });
});
