import { expect } from 'chai';
import pg from 'pg';

import type { DatabasePool } from '../../../src/repository/postgres/connection/database.ts';
import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { archiveOf, contentOf, idOf, makeReady } from '../../contract/repository/archives-under-test.ts';
import {
  artifactOf,
  containerOf,
  leaseOf,
  ownerOf,
  volumeOf,
} from '../../contract/repository/repository-under-test.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

/** A pool that counts its statements. */
class CountingPool implements DatabasePool {
  statements = 0;
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async connect(): ReturnType<DatabasePool['connect']> {
    const client = await this.#pool.connect();
    return {
      query: async (text, values) => {
        this.statements += 1;
        return await client.query(text, values);
      },
      release: (destroy) => client.release(destroy),
    };
  }
}

describe('Statements that a repository sends', () => {
  const schema = schemaOf('statement count');
  let pool: pg.Pool;
  let counting: CountingPool;
  let repository: Repository;

  before(async () => {
    pool = new pg.Pool({ connectionString: await sharedPostgresUrl() });
    await pool.query(`drop schema if exists ${schema} cascade`);
    counting = new CountingPool(pool);
    repository = await openRepository(counting, { schema, logger: silentLogger });
    await repository.workers.register('worker');
  });

  after(async () => {
    await pool.query(`drop schema ${schema} cascade`);
    await pool.end();
  });

  const count = async (work: () => Promise<unknown>): Promise<number> => {
    const before = counting.statements;
    await work();
    return counting.statements - before;
  };
  const find = async (handle: string, volumes: number) =>
    await repository.containers.findOrInsert('worker', ownerOf(handle), leaseOf('me'), () =>
      containerOf(
        handle,
        ownerOf(handle),
        Array.from({ length: volumes }, (_, index) => volumeOf(`${handle}-${index}`, `/v/${index}`)),
      ),
    );

  it('are two to open a migrated database', async () => {
    expect(await count(async () => await openRepository(counting, { schema, logger: silentLogger }))).to.equal(2);
  });

  for (const volumes of [0, 1, 200]) {
    it(`are two to insert a container with ${volumes} volumes, and one for every other call on it`, async () => {
      const handle = `c${volumes}`;
      const { containers } = repository;
      expect(await count(async () => await find(handle, volumes)), 'insert').to.equal(2);
      expect(await count(async () => await find(handle, volumes)), 'find').to.equal(1);
      const steps: Record<string, () => Promise<unknown>> = {
        renewLease: async () => await containers.renewLease(handle, leaseOf('me')),
        releaseLease: async () => await containers.releaseLease(handle, 'another'),
        recordPod: async () => await containers.recordPod(handle, 'me', 'uid'),
        markCreated: async () => await containers.markCreated(handle, 'me'),
        findCreated: async () => await repository.queries.findCreated('worker', ownerOf(handle)),
        list: async () => await repository.queries.list('worker', { limit: 1 }),
        listVolumes: async () => await repository.volumes.list('worker', { limit: 1 }),
        volumesOf: async () => await containers.volumesOf(handle),
        setProperty: async () => await containers.setProperty(handle, 'a', 'b'),
        properties: async () => await containers.properties(handle),
        recordProcessResult: async () =>
          await containers.recordProcessResult(
            handle,
            'p',
            { exitStatus: 0, signal: undefined, oomKills: undefined },
            { properties: { c: 'd', e: 'f' } },
          ),
        findProcessResult: async () => await containers.findProcessResult(handle, 'p'),
        processResults: async () => await repository.queries.processResults(handle),
        processResultsOf: async () => await repository.queries.processResultsOf([handle, 'none']),
        findReapable: async () => await repository.queries.findReapable('worker', 100),
        unknownHandles: async () => await repository.queries.unknownHandles([handle, 'none']),
        unknownWorkers: async () => await repository.queries.unknownWorkers([handle, 'none']),
        recordHijack: async () => await containers.recordHijack(handle, 'p'),
        endHijack: async () => await containers.endHijack(handle, 'p'),
        isHijack: async () => await containers.isHijack(handle, 'p'),
        markOwnerFinished: async () => await containers.markOwnerFinished('worker', ownerOf(handle)),
        pruneFinishedOwners: async () => await containers.pruneFinishedOwners('worker', 1_000),
        delete: async () => await containers.delete(handle),
        deleteAll: async () => await containers.deleteAll([handle, 'none']),
      };
      for (const [name, step] of Object.entries(steps)) expect(await count(step), name).to.equal(1);
    });
  }

  it('are two to find everything that the reaper has to delete, of each kind', async () => {
    for (let index = 0; index < 20; index += 1) {
      await find(`failed-${index}`, 3);
      await repository.containers.markFailed(`failed-${index}`, 'me');
      await repository.volumes.insertArtifact(artifactOf(`artifact-${index}`));
      await repository.volumes.markFailed(`artifact-${index}`);
    }
    expect(await count(async () => await repository.containers.findDestroyable('worker', 100))).to.equal(2);
    expect(await count(async () => await repository.volumes.findDestroyable('worker', 100))).to.equal(2);
  });

  it('are one for every call on a cache', async () => {
    const { caches, volumes } = repository;
    const key = { workerName: 'worker', kind: 'task', key: 'k' } as const;
    for (const handle of ['cache-1', 'cache-2']) {
      await volumes.insertArtifact(artifactOf(handle));
      await volumes.markCreated(handle);
    }
    const bless = async (volume: string) => await caches.bless({ ...key, volume, timeToLiveMs: 60_000, replace: true });
    const steps: Record<string, () => Promise<unknown>> = {
      bless: async () => await bless('cache-1'),
      'bless, another volume': async () => await bless('cache-2'),
      find: async () => await caches.find(key),
      isValid: async () => await caches.isValid(key, 'cache-2'),
      postponeExpiry: async () => await caches.postponeExpiry('worker', 'cache-2', 60_000),
      invalidate: async () => await caches.invalidate(key, { graceMs: 60_000 }),
      drop: async () => await caches.drop(key, 'cache-2'),
      limit: async () => await caches.limit('worker', { maxCount: 1 }),
    };
    for (const [name, step] of Object.entries(steps)) expect(await count(step), name).to.equal(1);
  });

  it('are one for every call on an archive, and two to find what to delete or to evict', async () => {
    const { archives } = repository;
    const [first, second] = [idOf(1), idOf(2)];
    const { leaseMs: _, ...volume } = artifactOf('sealed');
    const steps: Record<string, () => Promise<unknown>> = {
      begin: async () => await archives.begin(archiveOf(1, { purpose: 'c' })),
      'begin, found': async () => await archives.begin(archiveOf(2, { purpose: 'c' })),
      nextAttempt: async () => await archives.nextAttempt(first, leaseOf('me')),
      renewLease: async () => await archives.renewLease(first, leaseOf('me')),
      commit: async () => await archives.commit(first, 'me', contentOf(1, { attempt: 2 }), undefined),
      insertArtifact: async () => await archives.insertArtifact(volume, first),
      refer: async () => await archives.refer(first, { handle: 'sealed', replaces: first }),
      markUnsaved: async () => await archives.markUnsaved(['a', 'b']),
      touch: async () => await archives.touch([first, second]),
      findContent: async () => await archives.findContent('worker', 's3', contentOf(1)),
      lookup: async () => await archives.lookup([first, second]),
      abandon: async () => await archives.abandon(second, 'me'),
      deleteAll: async () => await archives.deleteAll([first, second]),
    };
    for (const [name, step] of Object.entries(steps)) expect(await count(step), name).to.equal(1);
    await makeReady(repository, 2);
    expect(await count(async () => await archives.findDestroyable('worker', 10, { graceMs: 60_000 }))).to.equal(2);
    expect(await count(async () => await archives.evict('worker', 's3', 1))).to.equal(2);
  });

  it('are one for every call on a reservation, and for every question about placement', async () => {
    const { reservations, placement } = repository;
    const key = { workerName: 'worker', kind: 'k', id: 'r' };
    const steps: Record<string, () => Promise<unknown>> = {
      reserve: async () => await reservations.reserve({ ...key, limit: 10_000, ttlMs: 60_000 }),
      renew: async () => await reservations.renew(key, 60_000),
      count: async () => await reservations.count('worker'),
      release: async () => await reservations.release(key),
      prune: async () => await reservations.prune('worker'),
      countLive: async () => await placement.countLive('worker'),
      findPlaces: async () => await placement.findPlaces('worker', ['a', 'b']),
    };
    for (const [name, step] of Object.entries(steps)) expect(await count(step), name).to.equal(1);
  });

  it('are one for every call on an artifact volume', async () => {
    const { volumes } = repository;
    const steps: Record<string, () => Promise<unknown>> = {
      insertArtifact: async () => await volumes.insertArtifact(artifactOf('v')),
      markCreated: async () => await volumes.markCreated('v'),
      markReady: async () => await volumes.markReady('v', undefined),
      lookup: async () => await volumes.lookup('worker', 'v'),
      expire: async () => await volumes.expire('worker', 'v'),
      delete: async () => await volumes.delete('v'),
      deleteAll: async () => await volumes.deleteAll(['v', 'none']),
    };
    for (const [name, step] of Object.entries(steps)) expect(await count(step), name).to.equal(1);
  });

  it('are two for a stream of any number of volumes, and one to renew it', async () => {
    await find('streamed', 200);
    const handles = (await repository.containers.volumesOf('streamed')).map(({ handle }) => handle);
    expect(await count(async () => await repository.streams.hold('s', handles, 1_000))).to.equal(1);
    expect(await count(async () => await repository.streams.hold('s', handles, 1_000))).to.equal(1);
    expect(await count(async () => await repository.streams.release('s'))).to.equal(1);
  });

  it('are one to keep a container, and one to count what the worker has', async () => {
    const { containers, queries } = repository;
    await find('kept', 3);
    await containers.markCreated('kept', 'me');
    const keep = async () => await containers.markOwnerFinished('worker', ownerOf('kept'), { keepForMs: 1_000 });
    expect(await count(keep)).to.equal(1);
    expect(await count(async () => await queries.usage('worker', { by: 'owner' }))).to.equal(1);
  });

  it('are two to finish an owner for good, and one for a call of an owner that has', async () => {
    const { containers } = repository;
    const finish = async () => await containers.markOwnerFinished('worker', ownerOf('over'), { final: true });
    expect(await count(finish)).to.equal(2);
    expect(await count(async () => await find('over', 1).catch(() => {}))).to.equal(1);
  });

  it('are two for a rejected move', async () => {
    await find('refused', 1);
    await repository.containers.markCreated('refused', 'me');
    expect(await count(async () => await repository.containers.markFailed('refused', 'me').catch(() => {}))).to.equal(
      2,
    );
  });

  it('find rows by an index', async () => {
    await pool.query(`insert into ${schema}.containers (
        handle, worker_name, owner_kind, owner_key, owner_digest, state, pod_name, metadata, settings)
      select 'many-' || n, 'worker', 'k', n::text, encode(sha256(n::text::bytea), 'hex'),
        'created', 'p', '{}', '{}'
      from generate_series(1, 20000) as n`);
    await pool.query(`insert into ${schema}.volumes (handle, worker_name, kind, state, store, location, expires_at, team_id)
      select 'many-' || n, 'worker', 'artifact', 'created', 'pod', '{}', now() + interval '1 hour', 't'
      from generate_series(1, 20000) as n`);
    await pool.query(`insert into ${schema}.finished_owners (worker_name, owner_digest, finished_at)
      select 'worker', encode(sha256(n::text::bytea), 'hex'), now() + interval '1 hour'
      from generate_series(1, 20000) as n`);
    await pool.query(`insert into ${schema}.volume_streams (stream_id, volume_id, until)
      select 's' || id, id, now() + interval '1 hour' from ${schema}.volumes where kind = 'artifact' and id % 4 = 0`);
    await pool.query(
      `analyze ${schema}.containers; analyze ${schema}.volumes; analyze ${schema}.finished_owners; analyze ${schema}.volume_streams`,
    );
    const plan = async (query: string) =>
      JSON.stringify((await pool.query<object>(`explain (format json) ${query}`)).rows);
    const containers = `from ${schema}.containers where worker_name = 'worker'`;
    const volumes = `from ${schema}.volumes where worker_name = 'worker' and container_id is null`;
    for (const query of [
      `select 1 ${containers} and (state = 'failed' or (state = 'creating' and lease_until < now()) or (state = 'kept' and keep_until < now()))`,
      `select 1 ${containers} and state = 'kept' order by kept_at desc, id desc offset 50`,
      `select 1 from ${schema}.volume_streams where volume_id = 1 and until > now()`,
      `delete from ${schema}.volume_streams where stream_id = 's'`,
      `select 1 ${containers} and state = 'destroying' order by created_at, id limit 10`,
      `select 1 ${containers} and state = 'created' and (created_at, id) > (now(), 1) order by created_at, id limit 10`,
      `select 1 ${containers} and (created_at, id) > (now(), 1) order by created_at, id limit 10`,
      `select 1 ${containers} order by created_at, id limit 10`,
      `select 1 ${volumes} and (state = 'failed' or (state = 'creating' and lease_until < now()) or (state in ('creating', 'created') and expires_at < now()))`,
      `select 1 from ${schema}.finished_owners where worker_name = 'worker' and finished_at < now()`,
      `select 1 ${volumes} and state = 'destroying' order by created_at, id limit 10`,
    ]) {
      expect(await plan(query), query).not.to.contain('Seq Scan');
    }
  });
});
