import { expect } from 'chai';
import fc from 'fast-check';

import type { ContainerQuery } from '../../../src/runtime/container-query.ts';
import { containerOf, insert, leaseOf, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

export function describeQueries(world: RepositoryUnderTest): void {
  const list = async (query: ContainerQuery = {}) => await world.second.queries.list('worker', query);
  const handlesOf = async (query: ContainerQuery = {}) => (await list(query)).containers.map(({ handle }) => handle);
  /** Returns the handles of each page, up to the last one. */
  const pages = async (query: ContainerQuery, between: () => Promise<void> = async () => {}) => {
    const handles: string[][] = [];
    for (let after: string | undefined; ; ) {
      const { containers, next } = await list({ ...query, after });
      handles.push(containers.map(({ handle }) => handle));
      if (next === undefined) return handles;
      after = next;
      await between();
    }
  };
  /** Sets the time at which a row was inserted. */
  const insertedAt = async (handle: string, time: string) =>
    await world.query(`update ${world.table('containers')} set created_at = '${time}' where handle = '${handle}'`);
  /** Inserts containers with these numbers. */
  const addRows = async (first: number, last: number) =>
    await world.query(`insert into ${world.table('containers')} (
        handle, worker_name, owner_kind, owner_key, owner_digest, state, pod_name, metadata, settings)
      select 'many-' || n, 'worker', 'k', n::text, encode(sha256(n::text::bytea), 'hex'), 'failed', 'p', '{}', '{}'
      from generate_series(${first}, ${last}) as n`);

  describe('the created container of an owner', () => {
    it('is found by its owner, with all its facts', async () => {
      await insert(world.first, 'c');
      await world.first.containers.recordPod('c', 'holder', 'uid');
      await world.first.containers.markCreated('c', 'holder');
      const record = await world.second.containers.lookup('worker', 'c');
      expect(await world.second.queries.findCreated('worker', ownerOf('c'))).to.deep.equal(record);
    });

    it('is not found in another state, of another owner or on another worker', async () => {
      const find = async () => await world.second.queries.findCreated('worker', ownerOf('c'));
      expect(await find()).to.equal(undefined);
      await insert(world.first, 'c');
      expect(await find()).to.equal(undefined);
      await world.first.containers.markCreated('c', 'holder');
      await world.first.workers.register('other');
      expect(await world.second.queries.findCreated('other', ownerOf('c'))).to.equal(undefined);
      expect(await world.second.queries.findCreated('worker', { kind: 'check', key: 'c' })).to.equal(undefined);
      expect((await find())?.handle).to.equal('c');
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      expect(await find()).to.equal(undefined);
    });

    it('rejects an invalid owner', async () => {
      expect(await rejection(world.first.queries.findCreated('worker', { kind: '', key: 'c' }))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'owner.kind',
      });
    });
  });

  describe('the finished containers of an owner', () => {
    it('are those that are failed or destroying, with their pods', async () => {
      const find = async (options = {}) =>
        (await world.second.queries.findFinished('worker', ownerOf('c'), options)).map((record) => record.handle);
      await insert(world.first, 'c');
      await world.first.containers.recordPod('c', 'holder', 'uid');
      expect(await find()).to.deep.equal([]);
      await world.first.containers.markFailed('c', 'holder');
      const record = await world.second.containers.lookup('worker', 'c');
      expect(await world.second.queries.findFinished('worker', ownerOf('c'))).to.deep.equal([record]);
      await world.first.containers.findOrInsert('worker', ownerOf('c'), leaseOf('holder'), () =>
        containerOf('c2', ownerOf('c')),
      );
      expect(await find()).to.deep.equal(['c']);
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      expect(await find()).to.have.members(['c', 'c2']);
      expect(await find({ handle: 'c2' })).to.deep.equal(['c2']);
    });

    it('are not those of another owner or worker', async () => {
      await insert(world.first, 'c');
      await world.first.containers.markFailed('c', 'holder');
      await world.first.workers.register('other');
      const { queries } = world.second;
      expect(await queries.findFinished('other', ownerOf('c'))).to.deep.equal([]);
      expect(await queries.findFinished('worker', { kind: 'check', key: 'c' })).to.deep.equal([]);
      expect(await queries.findFinished('worker', ownerOf('c'), { handle: 'other' })).to.deep.equal([]);
    });
  });

  describe('the results of a container', () => {
    it('are all results that are stored, each with the ID of its process', async () => {
      for (const handle of ['c', 'd']) await insert(world.first, handle);
      const { containers, queries } = world.first;
      expect(await queries.processResults('c')).to.deep.equal([]);
      const result = { exitStatus: 0, signal: undefined, oomKills: undefined };
      const full = {
        exitStatus: 137,
        signal: 9,
        oomKills: 1,
        stdoutBytes: 2,
        stderrBytes: 3,
        startedAt: new Date(1000),
        finishedAt: new Date(2000),
      };
      await containers.recordProcessResult('c', 'task', full);
      await containers.recordProcessResult('c', 'hijack', result);
      await containers.recordProcessResult('d', 'other', result);
      expect(await world.second.queries.processResults('c')).to.have.deep.members([
        { processId: 'task', result: full },
        { processId: 'hijack', result },
      ]);
    });

    it('are read of several containers at once, with their handles; a container without a row has none', async () => {
      for (const handle of ['c', 'd', 'e', 'f']) await insert(world.first, handle);
      const { containers, queries } = world.first;
      const result = { exitStatus: 3, signal: undefined, oomKills: undefined };
      for (const handle of ['c', 'd', 'e']) await containers.recordProcessResult(handle, 'task', result);
      await containers.recordProcessResult('c', 'hijack', result);
      expect(await world.second.queries.processResultsOf(['c', 'e', 'f', 'none'])).to.have.deep.members([
        { handle: 'c', processId: 'task', result },
        { handle: 'c', processId: 'hijack', result },
        { handle: 'e', processId: 'task', result },
      ]);
      expect(await queries.processResultsOf([])).to.deep.equal([]);
      const many = Array.from({ length: 1001 }, (_, index) => `c${index}`);
      for (const handles of [many, ['a\0']])
        expect(await rejection(queries.processResultsOf(handles))).to.include({
          code: 'KW_ERR_INVALID_SPEC',
          field: 'handles',
        });
    });

    it('throw ContainerDisappearedError if the container’s row does not exist', async () => {
      expect(await rejection(world.first.queries.processResults('none'))).to.include({
        code: 'KW_ERR_CONTAINER_DISAPPEARED',
        handle: 'none',
      });
    });
  });

  describe('a list of containers', () => {
    it('has every container of the worker in every state, oldest first, with its facts', async () => {
      await world.first.workers.register('other');
      const elsewhere = { ...containerOf('elsewhere', ownerOf('x')), workerName: 'other' };
      await world.first.containers.findOrInsert('other', ownerOf('x'), leaseOf('holder'), () => elsewhere);
      for (const handle of ['d', 'b', 'a', 'c']) await insert(world.first, handle);
      await world.first.containers.recordPod('b', 'holder', 'uid');
      await world.first.containers.markCreated('b', 'holder');
      await world.first.containers.markFailed('a', 'holder');
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      const { containers, next } = await list();
      expect(next).to.equal(undefined);
      expect(containers.map(({ handle, state }) => [handle, state])).to.deep.equal([
        ['d', 'creating'],
        ['b', 'created'],
        ['a', 'failed'],
        ['c', 'destroying'],
      ]);
      const { createdAt } = (await world.first.containers.lookup('worker', 'b'))!;
      expect(containers[1]).to.deep.equal({
        handle: 'b',
        owner: ownerOf('b'),
        state: 'created',
        podName: 'pod-b',
        podUid: 'uid',
        metadata: { type: 'task' },
        createdAt,
      });
    });

    it('accepts the first and the last time that a query may have', async () => {
      await insert(world.first, 'c');
      const [first, last] = [new Date('0001-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59.998Z')];
      expect(await handlesOf({ createdAfter: first, createdBefore: last })).to.deep.equal(['c']);
      expect(await handlesOf({ createdAfter: last })).to.deep.equal([]);
      expect(await handlesOf({ createdBefore: first })).to.deep.equal([]);
    });

    it('is empty, without a next page, if nothing matches', async () => {
      expect(await list({ state: 'created' })).to.deep.equal({ containers: [], cursors: [] });
    });

    it('has the containers that match every field of the query', async () => {
      for (const handle of ['a', 'b', 'c']) await insert(world.first, handle);
      const check = { kind: 'check', key: 'd' };
      await world.first.containers.findOrInsert('worker', check, leaseOf('holder'), () => containerOf('d', check));
      for (const handle of ['b', 'd']) await world.first.containers.markCreated(handle, 'holder');
      expect(await handlesOf({ handle: 'b' })).to.deep.equal(['b']);
      expect(await handlesOf({ handle: 'b', ownerKind: 'check' })).to.deep.equal([]);
      expect(await handlesOf({ ownerKind: 'check' })).to.deep.equal(['d']);
      expect(await handlesOf({ state: 'creating' })).to.deep.equal(['a', 'c']);
      expect(await handlesOf({ state: 'created', ownerKind: 'build-step' })).to.deep.equal(['b']);
    });

    it('has the containers that are earlier or later than the `createdAt` of another, which has milliseconds', async () => {
      for (const handle of ['a', 'b', 'c']) await insert(world.first, handle);
      await insertedAt('a', '2026-01-02 03:04:05.677999+00');
      await insertedAt('b', '2026-01-02 03:04:05.678901+00');
      await insertedAt('c', '2026-01-02 03:04:05.679000+00');
      const { createdAt } = (await list()).containers[1]!;
      expect(await handlesOf({ createdBefore: createdAt })).to.deep.equal(['a']);
      expect(await handlesOf({ createdAfter: createdAt })).to.deep.equal(['c']);
    });

    it('continues after a page also among containers that were inserted in the same microsecond', async () => {
      for (const handle of ['a', 'b', 'c', 'd', 'e']) await insert(world.first, handle);
      for (const handle of ['a', 'b', 'c', 'd']) await insertedAt(handle, '2026-01-02 03:04:05.678901+00');
      await insertedAt('e', '2026-01-02 03:04:05.678902+00');
      expect(await pages({ limit: 2 })).to.deep.equal([['a', 'b'], ['c', 'd'], ['e']]);
    });

    it('continues after any container of a page, also if that container was deleted meanwhile', async () => {
      await addRows(1, 4);
      const { containers, cursors, next } = await list({ limit: 3 });
      expect(cursors).to.have.length(3);
      expect(cursors.at(-1)).to.equal(next);
      const handles = (await list()).containers.map(({ handle }) => handle);
      await world.query(`delete from ${world.table('containers')} where handle = '${containers[1]!.handle}'`);
      for (const [index, after] of cursors.entries())
        expect(await handlesOf({ after })).to.deep.equal(
          handles.slice(index + 1).filter((handle) => handle !== containers[1]!.handle),
        );
    });

    it('has 100 containers on a page unless the query has another limit', async () => {
      await addRows(1, 250);
      expect((await pages({})).map((page) => page.length)).to.deep.equal([100, 100, 50]);
      expect((await pages({ limit: 250 })).map((page) => page.length)).to.deep.equal([250]);
      expect((await pages({ limit: 1000 })).map((page) => page.length)).to.deep.equal([250]);
    });

    it('has every container that stays exactly once, whatever is inserted and deleted between the pages', async () => {
      let made = 12;
      await addRows(1, made);
      const removals = fc.array(fc.nat({ max: 11 }), { maxLength: 3 });
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 2, max: 5 }), removals, async (limit, indexes) => {
          const before = await handlesOf();
          const gone = indexes.map((index) => before[index]!);
          const removed: string[] = [];
          const change = async () => {
            if (removed.length === gone.length) return;
            made += 1;
            removed.push(gone[removed.length]!);
            await addRows(made, made);
            await world.query(`delete from ${world.table('containers')} where handle = '${removed.at(-1)!}'`);
          };
          const handles = (await pages({ limit }, change)).flat();
          expect(new Set(handles).size).to.equal(handles.length);
          expect(handles).to.include.members(before.filter((handle) => !removed.includes(handle)));
        }),
        { numRuns: 5 },
      );
    });

    for (const [field, query] of Object.entries<ContainerQuery[]>({
      limit: [{ limit: 0 }, { limit: 1001 }, { limit: 1.5 }, { limit: Number.NaN }],
      handle: [{ handle: '' }, { handle: 'a\0' }],
      ownerKind: [{ ownerKind: '' }, { ownerKind: 'k'.repeat(64) }],
      createdBefore: [{ createdBefore: new Date(Number.NaN) }, { createdBefore: new Date(8.64e15) }],
      createdAfter: [{ createdAfter: new Date(Number.NaN) }, { createdAfter: new Date(-8.64e15) }],
      after: ['', 'x', cursor([]), cursor(['now', 1]), cursor(['2026-01-02T03:04:05+00:00', 1.5])].map((after) => ({
        after,
      })),
    })) {
      it(`rejects an invalid ${field}`, async () => {
        for (const invalid of query)
          expect(await rejection(list(invalid))).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
      });
    }
  });
}

function cursor(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}
