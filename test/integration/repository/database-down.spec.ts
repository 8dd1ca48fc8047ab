import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';

import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { insert, rejection } from '../../contract/repository/repository-under-test.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const unavailable = { code: 'KW_ERR_REPOSITORY_UNAVAILABLE', retryable: true };

describe('Repository when its database fails', () => {
  // Not the shared server, because these tests kill it.
  let server: PostgresServer;
  let admin: pg.Pool;
  let repository: Repository;

  before(async () => (server = await PostgresServer.start()));
  after(async () => await server.stop());

  beforeEach(async () => {
    admin = new pg.Pool({ connectionString: server.url, max: 2 });
    admin.on('error', () => {});
    admin.on('connect', (client) => client.on('error', () => {}));
    repository = await openRepository(server.url, { logger: silentLogger });
    await repository.workers.register('worker');
  });

  afterEach(async () => {
    await repository.close();
    await admin.end();
  });

  const lock = async () => {
    const client = await admin.connect();
    await client.query('begin');
    await client.query('lock table kubernetes_worker.containers in access exclusive mode');
    return client;
  };
  /**
   * Resolves when a statement succeeds. A statement may take a dead connection before the pool
   * detects its end. There are at most ten, and each failure must be `unavailable`.
   */
  const recovered = async () => {
    for (let failures = 0; failures <= 10; failures += 1) {
      const outcome = await repository.containers.lookup('worker', 'c').catch((error: unknown) => error);
      if (outcome === undefined) return;
      expect(outcome).to.include(unavailable);
    }
    expect.fail('it did not recover');
  };
  /** Resolves when a statement waits for the lock. */
  const blocked = async () => {
    for (;;) {
      const { rows } = await admin.query<{ count: string }>(`select count(*) from pg_locks where not granted`);
      if (rows[0]!.count !== '0') return;
    }
  };

  it('rejects while it is down, and continues with the same pool after its restart', async () => {
    await server.crash();
    expect(await rejection(repository.containers.lookup('worker', 'c'))).to.include(unavailable);
    expect(await rejection(repository.workers.register('worker'))).to.include(unavailable);
    await server.startAgain();
    await recovered();
    await insert(repository, 'after-crash');
    expect((await repository.containers.lookup('worker', 'after-crash'))?.state).to.equal('creating');
  });

  it('rejects a running statement when the server is killed', async () => {
    const client = await lock();
    const waiting = rejection(repository.containers.setProperty('c', 'a', 'b'));
    await blocked();
    await server.crash();
    expect(await waiting).to.include(unavailable);
    client.release(true);
    await server.startAgain();
    await recovered();
  });

  it('rejects a running statement when an administrator ends its connection, and opens a new one', async () => {
    const client = await lock();
    const waiting = rejection(repository.containers.setProperty('c', 'a', 'b'));
    await blocked();
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'kubernetes-worker'`,
    );
    expect(await waiting).to.include(unavailable);
    await client.query('rollback');
    client.release();
    await recovered();
  });

  it('recovers when all its idle connections are ended', async () => {
    await Promise.all(Array.from({ length: 5 }, async () => await repository.containers.lookup('worker', 'c')));
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'kubernetes-worker'`,
    );
    await recovered();
  });

  for (const owner of ['its own', 'the caller’s'] as const) {
    it(`discards connections of ${owner} pool that answer as a standby after a failover`, async () => {
      await insert(repository, `failover-${owner.length}`);
      // A session that starts read-only stays read-only until a new session replaces it.
      await admin.query('alter database postgres set default_transaction_read_only = on');
      const pool = new pg.Pool({ connectionString: server.url, max: 5 });
      const demoted = await openRepository(owner === 'its own' ? server.url : pool, { logger: silentLogger });
      try {
        const lookup = async () => await demoted.containers.lookup('worker', 'none');
        await Promise.all(Array.from({ length: 5 }, lookup));
        await admin.query(
          'set default_transaction_read_only = off; alter database postgres reset default_transaction_read_only',
        );
        const set = async () =>
          await demoted.containers.setProperty(`failover-${owner.length}`, 'a', 'b').catch((error: unknown) => error);
        const outcomes: unknown[] = [];
        // At most five connections need a replacement: one may have served all lookups.
        for (let attempt = 1; attempt <= 6; attempt += 1) outcomes.push(await set());
        expect(outcomes[0]).to.include(unavailable).and.have.nested.property('cause.code', '25006');
        expect(outcomes.at(-1)).to.equal(undefined);
      } finally {
        await admin.query(
          'set default_transaction_read_only = off; alter database postgres reset default_transaction_read_only',
        );
        await demoted.close();
        await pool.end();
      }
    });
  }

  it('rejects a statement that exceeds the time limit of the server', async () => {
    // One connection, which has the limit only while its statement waits for a lock.
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    const hasty = await openRepository(pool, { logger: silentLogger });
    const client = await lock();
    await pool.query('set statement_timeout = 50');
    expect(await rejection(hasty.containers.lookup('worker', 'c'))).to.include(unavailable);
    await client.query('rollback');
    client.release();
    await pool.query('set statement_timeout = 0');
    expect(await hasty.containers.lookup('worker', 'c')).to.equal(undefined);
    await pool.end();
  });

  it('rejects a statement that waits for a lock for longer than the time-out of the query', async () => {
    const client = await lock();
    const hasty = await openRepository(`${server.url}?query_timeout=3000`, { migrate: false, logger: silentLogger });
    expect(await rejection(hasty.containers.lookup('worker', 'c'))).to.include(unavailable);
    await client.query('rollback');
    client.release();
    await hasty.close();
    expect(await repository.containers.lookup('worker', 'c')).to.equal(undefined);
  });

  it('rejects while all connections of the caller’s pool are in use', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    const starved = await openRepository(pool, { logger: silentLogger });
    // From now on: a busy machine takes longer for a new connection.
    pool.options.connectionTimeoutMillis = 50;
    const taken = await pool.connect();
    expect(await rejection(starved.containers.lookup('worker', 'c'))).to.include(unavailable);
    taken.release();
    expect(await starved.containers.lookup('worker', 'c')).to.equal(undefined);
    await pool.end();
  });

  context('when the network drops the answers', () => {
    let silent: boolean;
    let sockets: Socket[];
    let proxy: Server;

    beforeEach(async () => {
      silent = false;
      sockets = [];
      const path = `${decodeURIComponent(new URL(server.url).hostname)}/.s.PGSQL.5432`;
      proxy = createServer((client) => {
        const upstream = createConnection(path);
        sockets.push(client, upstream);
        client.on('error', () => {}).on('close', () => upstream.destroy());
        upstream.on('error', () => {}).on('close', () => client.destroy());
        client.pipe(upstream, { end: false });
        upstream.on('data', (chunk) => {
          if (!silent) client.write(chunk);
        });
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    });

    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    });

    it('rejects after the time-out of the query, and never reuses that connection', async () => {
      const { port } = proxy.address() as AddressInfo;
      const far = await openRepository(`postgres://postgres@127.0.0.1:${port}/postgres?query_timeout=3000`, {
        logger: silentLogger,
      });
      silent = true;
      expect(await rejection(far.containers.lookup('worker', 'c'))).to.include(unavailable);
      silent = false;
      expect(await far.containers.lookup('worker', 'c')).to.equal(undefined);
      await far.close();
    });
  });
});

describe('Repository when its PGlite instance was closed', () => {
  it('rejects', async () => {
    const database = await newPGlite();
    const repository = await openRepository(database, { logger: silentLogger });
    await database.close();
    expect(await rejection(repository.containers.lookup('worker', 'c'))).to.include(unavailable);
  });
});
