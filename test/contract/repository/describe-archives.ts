import { expect } from 'chai';

import type { NewArchive } from '../../../src/repository/archive-repository.ts';
import type { RawContent } from '../../../src/repository/records.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { archiveOf, contentOf, idOf, insertReferring, makeReady, stateOf } from './archives-under-test.ts';
import { artifactOf, insert, leaseOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

type State = 'creating' | 'ready' | 'destroying';

const id = idOf(1);
const moves: Readonly<
  Record<string, { readonly from: readonly State[]; readonly run: (repository: Repository) => Promise<unknown> }>
> = {
  nextAttempt: { from: ['creating'], run: async ({ archives }) => await archives.nextAttempt(id, leaseOf('me')) },
  commit: {
    // The repeated commit of its own holder.
    from: ['creating', 'ready'],
    run: async ({ archives }) => await archives.commit(id, 'me', contentOf(1), undefined),
  },
};

export function describeArchives(world: RepositoryUnderTest): void {
  const reach = async (state: State) => {
    await world.first.archives.begin(archiveOf(1));
    if (state === 'ready') await world.first.archives.commit(id, 'me', contentOf(1), undefined);
    if (state === 'destroying') await world.first.archives.abandon(id, 'me');
  };
  const lookup = async (number = 1) => (await world.second.archives.lookup([idOf(number)]))[0];

  describe('an archive', () => {
    it('begins as creating with attempt 1, held by the caller', async () => {
      const { archive, holds } = await world.first.archives.begin(archiveOf(1));
      expect(holds).to.equal(true);
      expect(archive).to.deep.include({
        id,
        workerName: 'worker',
        store: 's3',
        state: 'creating',
        attempt: 1,
        reference: undefined,
      });
      expect(await lookup()).to.deep.equal(archive);
    });

    it('is the same, and held, if its holder calls `begin` again', async () => {
      const begun = await world.first.archives.begin(archiveOf(1));
      expect(await world.first.archives.begin(archiveOf(1))).to.deep.equal(begun);
      expect(await world.count('archives')).to.equal(1);
    });

    it('is ready with its content after a commit', async () => {
      await world.first.archives.begin(archiveOf(1));
      const content = { ...contentOf(1), rawBytes: 2 ** 50, storedBytes: 2 ** 49 };
      // There is no volume that could refer to it.
      expect(await world.first.archives.commit(id, 'me', content, undefined)).to.equal(false);
      expect(await lookup()).to.deep.include({ state: 'ready', reference: { id, store: 's3', ...content } });
    });

    it('has another attempt after `nextAttempt`, and accepts the key of that one only', async () => {
      await world.first.archives.begin(archiveOf(1));
      expect(await world.first.archives.nextAttempt(id, leaseOf('me'))).to.include({ attempt: 2, state: 'creating' });
      expect(await rejection(world.first.archives.commit(id, 'me', contentOf(1), undefined))).to.include({
        code: 'KW_ERR_LEASE_LOST',
        handle: id,
      });
      await world.first.archives.commit(id, 'me', contentOf(1, { attempt: 2 }), undefined);
      expect((await lookup())?.reference?.key).to.equal(contentOf(1, { attempt: 2 }).key);
    });

    for (const [name, { from, run }] of Object.entries(moves)) {
      for (const state of ['creating', 'ready', 'destroying'] as const) {
        if (from.includes(state)) {
          it(`${name} is legal while it is ${state}`, async () => {
            await reach(state);
            await run(world.second);
          });
        } else {
          it(`${name} rejects with LeaseLostError while it is ${state}, and changes nothing`, async () => {
            await reach(state);
            const before = await lookup();
            expect(await rejection(run(world.second))).to.include({ code: 'KW_ERR_LEASE_LOST' });
            expect(await lookup()).to.deep.equal(before);
          });
        }
      }

      it(`${name} rejects with LeaseLostError for another holder and for no row`, async () => {
        expect(await rejection(run(world.first))).to.include({ code: 'KW_ERR_LEASE_LOST' });
        await world.first.archives.begin(archiveOf(1, { lease: leaseOf('another') }));
        const before = await lookup();
        expect(await rejection(run(world.first))).to.include({ code: 'KW_ERR_LEASE_LOST' });
        expect(await lookup()).to.deep.equal(before);
      });
    }

    it('does not become the archive of another holder or of other content by a second commit', async () => {
      await reach('ready');
      const { archives } = world.first;
      const other = { ...contentOf(1), storedDigest: 'c'.repeat(64) };
      for (const late of [
        archives.commit(id, 'another', contentOf(1), undefined),
        archives.commit(id, 'me', other, undefined),
      ])
        expect(await rejection(late)).to.include({ code: 'KW_ERR_LEASE_LOST' });
      expect((await lookup())?.reference?.storedDigest).to.equal('b'.repeat(64));
    });

    it('is abandoned only while it is creating, and only by its holder, idempotently', async () => {
      await reach('creating');
      await world.second.archives.abandon(id, 'another');
      expect(await stateOf(world.first, id)).to.equal('creating');
      await world.second.archives.abandon(id, 'me');
      await world.second.archives.abandon(id, 'me');
      expect(await stateOf(world.first, id)).to.equal('destroying');
      await makeReady(world.first, 2);
      await world.second.archives.abandon(idOf(2), 'me');
      expect(await stateOf(world.first, idOf(2))).to.equal('ready');
    });

    it('renews its lease only while it is creating, and only for its holder', async () => {
      await reach('creating');
      await world.lapseLeases();
      const { archives } = world.first;
      expect(await archives.renewLease(id, leaseOf('another'))).to.equal(false);
      expect(await archives.renewLease(id, leaseOf('me'))).to.equal(true);
      expect(await archives.findDestroyable('worker', 10, { graceMs: 0 })).to.deep.equal([]);
      await archives.commit(id, 'me', contentOf(1), undefined);
      expect(await archives.renewLease(id, leaseOf('me'))).to.equal(false);
    });

    it('is found by its ID among others, and an ID of another form is not found', async () => {
      await makeReady(world.first, 1);
      await makeReady(world.first, 2);
      const ids = [idOf(2), idOf(3), '-'.repeat(36), 'ffffffff', idOf(1)];
      const found = await world.second.archives.lookup(ids);
      expect(found.map((archive) => archive.id).sort()).to.deep.equal([idOf(1), idOf(2)]);
      expect(await world.second.archives.lookup([])).to.deep.equal([]);
      await world.second.archives.touch(ids);
      expect(await world.second.archives.deleteAll(ids)).to.deep.equal([]);
    });

    it('is used again only a minute after its last use', async () => {
      await makeReady(world.first, 1);
      const age = async (interval: string) =>
        await world.query(`update ${world.table('archives')} set last_used_at = now() - interval '${interval}'`);
      await age('59 seconds');
      const before = await lookup();
      await world.first.archives.touch([id]);
      expect(await lookup()).to.deep.equal(before);
      await age('61 seconds');
      await world.first.archives.touch([id]);
      expect((await lookup())!.lastUsedAt.getTime()).to.be.greaterThan(before!.lastUsedAt.getTime());
    });
  });

  describe('findContent', () => {
    const find = async (changes: Partial<RawContent> = {}, worker = 'worker', store = 's3') =>
      await world.second.archives.findContent(worker, store, { ...raw, ...changes });
    const { rawBytes, digest } = contentOf(1);
    const raw = { rawBytes, digest };

    it('returns the archive of a store that has this content', async () => {
      await makeReady(world.first, 1);
      expect(await find()).to.deep.equal({ id, store: 's3', ...contentOf(1) });
    });

    it('finds no other digest, size, store or worker', async () => {
      await makeReady(world.first, 1);
      await world.first.workers.register('elsewhere');
      const found = [
        await find({ digest: 'c'.repeat(64) }),
        await find({ rawBytes: 1_025 }),
        await find({}, 'worker', 'pvc'),
        await find({}, 'elsewhere'),
      ];
      expect(found).to.deep.equal([undefined, undefined, undefined, undefined]);
    });

    it('finds no archive that is being written or deleted', async () => {
      await reach('creating');
      expect(await find()).to.equal(undefined);
      await world.first.archives.commit(id, 'me', contentOf(1), undefined);
      await world.first.archives.evict('worker', 's3', 1);
      expect(await stateOf(world.first, id)).to.equal('destroying');
      expect(await find()).to.equal(undefined);
    });

    it('prefers the archive that was used last', async () => {
      for (const number of [1, 2, 3]) await makeReady(world.first, number);
      await world.query(
        `update ${world.table('archives')} set last_used_at = now() - interval '1 hour' where id <> '${idOf(2)}'`,
      );
      expect((await find())?.id).to.equal(idOf(2));
    });
  });

  describe('a purpose of archives', () => {
    const outputOf = (number: number, holder: string, changes = {}) =>
      archiveOf(number, { purpose: 'output', lease: leaseOf(holder), ...changes });

    it('finds the archive that another holder writes, and the one that is ready', async () => {
      await world.first.archives.begin(outputOf(1, 'me'));
      const found = await world.second.archives.begin(outputOf(2, 'another'));
      expect(found).to.deep.equal({ archive: await lookup(), holds: false });
      await world.first.archives.commit(id, 'me', contentOf(1), undefined);
      const ready = await world.second.archives.begin(outputOf(2, 'another'));
      expect(ready).to.deep.equal({ archive: await lookup(), holds: false });
      expect(await world.count('archives')).to.equal(1);
    });

    it('holds the lease again when its holder calls `begin` again, with the same attempt', async () => {
      await world.first.archives.begin(outputOf(1, 'me'));
      const repeated = await world.first.archives.begin(outputOf(1, 'me'));
      expect(repeated).to.deep.equal({ archive: await lookup(), holds: true });
      expect(repeated.archive.attempt).to.equal(1);
    });

    it('is taken over with the next attempt when the lease has lapsed', async () => {
      await world.first.archives.begin(outputOf(1, 'me'));
      await world.lapseLeases();
      const taken = await world.second.archives.begin(outputOf(2, 'another'));
      expect(taken).to.deep.equal({ archive: await lookup(), holds: true });
      expect(taken.archive).to.include({ id, attempt: 2, state: 'creating' });
      expect((await world.first.archives.begin(outputOf(3, 'third'))).holds).to.equal(false);
    });

    for (const [what, call] of Object.entries<(repository: Repository) => Promise<unknown>>({
      'a commit of its own attempt': async ({ archives }) => await archives.commit(id, 'me', contentOf(1), undefined),
      'a commit of the current attempt': async ({ archives }) =>
        await archives.commit(id, 'me', contentOf(1, { attempt: 2 }), undefined),
      'a next attempt': async ({ archives }) => await archives.nextAttempt(id, leaseOf('me')),
    })) {
      it(`refuses ${what} by the earlier holder, which changes nothing`, async () => {
        await world.first.archives.begin(outputOf(1, 'me'));
        await world.lapseLeases();
        await world.second.archives.begin(outputOf(2, 'another'));
        const before = await world.query(`select * from ${world.table('archives')}`);
        expect(await rejection(call(world.first))).to.include({ code: 'KW_ERR_LEASE_LOST', handle: id });
        expect(await world.first.archives.renewLease(id, leaseOf('me'))).to.equal(false);
        await world.first.archives.abandon(id, 'me');
        expect(await world.query(`select * from ${world.table('archives')}`)).to.deep.equal(before);
      });
    }

    it('refuses a late commit of the attempt before, also if both holders have one name', async () => {
      await world.first.archives.begin(outputOf(1, 'me'));
      await world.lapseLeases();
      expect((await world.second.archives.begin(outputOf(2, 'me'))).archive.attempt).to.equal(2);
      expect(await rejection(world.first.archives.commit(id, 'me', contentOf(1), undefined))).to.include({
        code: 'KW_ERR_LEASE_LOST',
      });
      await world.second.archives.commit(id, 'me', contentOf(1, { attempt: 2 }), undefined);
    });

    it('is free when its archive is destroying, and on each worker independently', async () => {
      await world.first.archives.begin(outputOf(1, 'me'));
      await world.first.archives.abandon(id, 'me');
      expect((await world.first.archives.begin(outputOf(2, 'me'))).archive.id).to.equal(idOf(2));
      await world.first.workers.register('elsewhere');
      const elsewhere = await world.first.archives.begin(outputOf(3, 'me', { workerName: 'elsewhere' }));
      expect(elsewhere).to.deep.include({ holds: true });
      expect(elsewhere.archive.id).to.equal(idOf(3));
    });

    it('one of ten hosts holds at the same time, and after the lease has lapsed one takes it over', async () => {
      const begin = async (first: number) =>
        await Promise.all(
          Array.from({ length: 10 }, async (_, index) => {
            const repository = index % 2 === 0 ? world.first : world.second;
            return await repository.archives.begin(outputOf(first + index, `holder-${first + index}`));
          }),
        );
      const begun = await begin(10);
      expect(begun.filter(({ holds }) => holds)).to.have.length(1);
      expect(new Set(begun.map(({ archive }) => archive.id)).size).to.equal(1);
      await world.lapseLeases();
      const taken = await begin(20);
      expect(taken.filter(({ holds }) => holds).map(({ archive }) => archive.attempt)).to.deep.equal([2]);
      expect(await world.count('archives')).to.equal(1);
    });
  });

  describe('a value that an archive cannot have', () => {
    const changed = (changes: object) => async () => await world.first.archives.begin({ ...archiveOf(1), ...changes });
    const committed = (changes: object) => async () =>
      await world.first.archives.commit(id, 'me', { ...contentOf(1), ...changes }, undefined);
    const sought = (changes: object) => async () =>
      await world.first.archives.findContent('worker', 's3', { ...contentOf(1), ...changes });
    const many = Array.from({ length: 1_001 }, (_, index) => idOf(index));
    it('is rejected with its field', async () => {
      for (const [field, run] of [
        ['id', changed({ id: 'x' })],
        ['id', changed({ id: idOf(1).toUpperCase().replace('4000', '4ABC') })],
        ['workerName', changed({ workerName: '' })],
        ['workerName', changed({ workerName: 'unregistered' })],
        ['store', changed({ store: 's'.repeat(254) })],
        ['purpose', changed({ purpose: '' })],
        ['purpose', changed({ purpose: 'c'.repeat(301) })],
        ['purpose', changed({ purpose: 'a\0b' })],
        ['lease.holder', changed({ lease: { holder: '', durationMs: 1 } })],
        ['lease.durationMs', changed({ lease: { holder: 'me', durationMs: Number.NaN } })],
        ['rawBytes', committed({ rawBytes: -1 })],
        ['storedBytes', committed({ storedBytes: 2 ** 53 })],
        ['rawBytes', sought({ rawBytes: 0.5 })],
        ['digest', sought({ digest: 'A'.repeat(64) })],
        ['digest', committed({ digest: 'sha256:a' })],
        ['storedDigest', committed({ storedDigest: 'A'.repeat(64) })],
        ['key', committed({ key: 'a key' })],
        ['key', committed({ key: contentOf(2).key })],
        ['key', committed({ key: `${'k'.repeat(1_024)}/${id}-1.tar.zst` })],
        ['volume.handle', async () => await world.first.archives.refer(id, { handle: '', replaces: undefined })],
        ['id', async () => await world.first.archives.refer(id, { handle: 'v', replaces: 'x' })],
        ['handles', async () => await world.first.archives.markUnsaved(many)],
        ['ids', async () => await world.first.archives.touch(many)],
        ['ids', async () => await world.first.archives.lookup(many)],
        ['ids', async () => await world.first.archives.deleteAll(many)],
        ['bytes', async () => await world.first.archives.evict('worker', 's3', -1)],
        ['graceMs', async () => await world.first.archives.findDestroyable('worker', 1, { graceMs: -1 })],
        ['limit', async () => await world.first.archives.findDestroyable('worker', 0, { graceMs: 0 })],
      ] as const)
        expect(await rejection(run())).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
      expect(await world.count('archives')).to.equal(0);
    });

    const rejectsId = async (archive: NewArchive) =>
      expect(await rejection(world.second.archives.begin(archive))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'id',
      });

    it('is rejected if the ID exists, unless its holder calls `begin` again', async () => {
      await reach('creating');
      const other = archiveOf(1, { lease: leaseOf('another') });
      await rejectsId(other);
      await world.first.archives.commit(id, 'me', contentOf(1), undefined);
      await rejectsId(archiveOf(1));
    });

    it('is stored if it is as long as it may be, in characters of four bytes', async () => {
      const long = { purpose: '𝄞'.repeat(300), store: '𝄞'.repeat(253) };
      expect((await world.first.archives.begin(archiveOf(1, long))).archive.store).to.equal(long.store);
      expect((await world.first.archives.begin(archiveOf(2, long))).archive.id).to.equal(id);
    });
  });

  describe('the worker of archives', () => {
    it('is not deleted while it has one, when it retires', async () => {
      await makeReady(world.first, 1);
      await world.first.workerStates.retire('worker');
      expect(await world.second.workerStates.deleteRetired('worker')).to.equal(false);
      await world.first.archives.findDestroyable('worker', 10, { graceMs: 0 });
      await world.first.archives.deleteAll([id]);
      expect(await world.second.workerStates.deleteRetired('worker')).to.equal(true);
    });

    it('is deleted with them when it is pruned', async () => {
      await makeReady(world.first, 1);
      await insertReferring(world.first, 'v', id);
      await world.first.archives.begin(archiveOf(2));
      await insert(world.first, 'c');
      await world.first.workerStates.retire('worker');
      await world.first.workerStates.prune('worker');
      for (const table of ['workers', 'archives', 'volumes']) expect(await world.count(table), table).to.equal(0);
    });

    it('neither deletes nor evicts the archives of another, and refers to none of them', async () => {
      await makeReady(world.first, 1);
      await world.first.workers.register('elsewhere');
      const { archives, volumes } = world.second;
      expect(await archives.findDestroyable('elsewhere', 10, { graceMs: 0 })).to.deep.equal([]);
      expect(await archives.evict('elsewhere', 's3', 1_000)).to.deep.equal([]);
      await volumes.insertArtifact({ ...artifactOf('v'), workerName: 'elsewhere' });
      expect(await archives.refer(id, { handle: 'v', replaces: undefined })).to.equal(false);
      const { leaseMs: _, ...other } = { ...artifactOf('w'), workerName: 'elsewhere' };
      expect(await archives.insertArtifact(other, id)).to.equal(undefined);
      expect(await stateOf(world.first, id)).to.equal('ready');
    });
  });
}
