import { expect } from 'chai';

import { archiveOf, idOf } from './archives-under-test.ts';
import {
  artifactOf,
  containerOf,
  insert,
  leaseOf,
  ownerOf,
  type RepositoryUnderTest,
} from './repository-under-test.ts';

/**
 * The hazards of the database that `docs/database.md` lists by number. H5 is in
 * `test/unit/controllers`, H7 and H14 in `test/integration/repository`, H15 with the archives.
 */
export function describeHazards(world: RepositoryUnderTest): void {
  describe('the hazards of the database', () => {
    const result = { exitStatus: 0, signal: undefined, oomKills: undefined };
    const isUniqueViolation = async (text: string): Promise<boolean> =>
      await world.query(text).then(
        () => false,
        (error: unknown) => (error as { code?: unknown }).code === '23505',
      );

    it('H1: what a crashed host left creating is found by the reaper, a container, a volume and an archive', async () => {
      await insert(world.first, 'c');
      await world.first.archives.begin(archiveOf(1));
      await world.first.volumes.insertArtifact(artifactOf('v'));
      await world.lapseLeases();
      const [containers, volumes] = [
        await world.second.containers.findDestroyable('worker', 10),
        await world.second.volumes.findDestroyable('worker', 10),
      ];
      expect([...containers, ...volumes].map(({ handle, state }) => [handle, state])).to.deep.equal([
        ['c', 'destroying'],
        ['v', 'destroying'],
      ]);
      const archives = await world.second.archives.findDestroyable('worker', 10, { graceMs: 60_000 });
      expect(archives.map(({ id, state }) => [id, state])).to.deep.equal([[idOf(1), 'destroying']]);
    });

    it('H2: a failed row of the same owner never hides the live one, whatever the order in which they are stored', async () => {
      const owner = ownerOf('old');
      await insert(world.first, 'old');
      await world.first.containers.markFailed('old', 'holder');
      await world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () => containerOf('new', owner));
      await world.first.containers.markCreated('new', 'me');
      for (const written of ['old', 'new']) {
        await world.query(`update ${world.table('containers')} set updated_at = now() where handle = '${written}'`);
        const found = await world.second.containers.findOrInsert('worker', owner, leaseOf('other'), () =>
          containerOf('third', owner),
        );
        expect(found.container.handle).to.equal('new');
        expect((await world.second.queries.findCreated('worker', owner))?.handle).to.equal('new');
      }
      expect(await world.count('containers')).to.equal(2);
    });

    it('H3: the schema refuses a second live container of an owner, and a second volume at a path of a container', async () => {
      await insert(world.first, 'c');
      const copyOf = (table: string, replaced: Readonly<Record<string, string>>): string => {
        const values = JSON.stringify(replaced);
        return `insert into ${world.table(table)} overriding system value
          select copy.* from ${world.table(table)} as original,
            jsonb_populate_record(original, '${values}') as copy where original.handle like 'c%' limit 1`;
      };
      expect(await isUniqueViolation(copyOf('containers', { id: '100', handle: 'd' }))).to.equal(true);
      expect(await isUniqueViolation(copyOf('volumes', { id: '100', handle: 'd' }))).to.equal(true);
      await world.query(copyOf('containers', { id: '100', handle: 'd', owner_digest: '0'.repeat(64) }));
      await world.query(copyOf('volumes', { id: '100', handle: 'd', mount_path: '/elsewhere' }));
    });

    it('H4: the handles of another worker in the same namespace are not unknown', async () => {
      await insert(world.first, 'c');
      await world.first.volumes.insertArtifact(artifactOf('v'));
      await world.second.workers.register('elsewhere');
      expect(await world.second.queries.unknownHandles(['c', 'none', 'v'])).to.deep.equal(['none']);
    });

    it('H8: a worker neither sees nor changes the rows of another', async () => {
      await insert(world.first, 'c');
      await world.first.containers.markCreated('c', 'holder');
      await world.first.volumes.insertArtifact(artifactOf('v'));
      await world.second.workers.register('elsewhere');
      const { containers, queries, volumes } = world.second;
      expect(await containers.lookup('elsewhere', 'c')).to.equal(undefined);
      expect(await volumes.lookup('elsewhere', 'v')).to.equal(undefined);
      expect(await queries.findCreated('elsewhere', ownerOf('c'))).to.equal(undefined);
      expect((await queries.list('elsewhere', {})).containers).to.deep.equal([]);
      expect(await volumes.expire('elsewhere', 'v')).to.equal(false);
      expect(await containers.markOwnerFinished('elsewhere', ownerOf('c'), { final: true })).to.equal(0);
      await world.lapseLeases();
      expect(await containers.findDestroyable('elsewhere', 10)).to.deep.equal([]);
      expect(await volumes.findDestroyable('elsewhere', 10)).to.deep.equal([]);
      expect((await containers.lookup('worker', 'c'))?.state).to.equal('created');
      expect((await volumes.lookup('worker', 'v'))?.state).to.equal('creating');
    });

    it('H12: a volume that is created is not ready before its content is complete', async () => {
      await insert(world.first, 'c');
      await world.first.containers.markCreated('c', 'holder');
      const readiness = async (): Promise<readonly unknown[]> =>
        (await world.second.containers.volumesOf('c')).map(({ state, readyAt }) => [state, readyAt !== undefined]);
      expect(await readiness()).to.deep.equal([
        ['created', false],
        ['created', false],
      ]);
      await world.first.volumes.markReady('c-source', undefined);
      expect(await readiness()).to.deep.equal([
        ['created', true],
        ['created', false],
      ]);
    });

    it('H13: the end of a hijack is not the end of the task', async () => {
      await insert(world.first, 'c');
      await world.first.containers.markCreated('c', 'holder');
      await world.first.containers.recordHijack('c', 'hijack');
      await world.first.containers.recordProcessResult('c', 'hijack', result);
      await world.first.containers.endHijack('c', 'hijack');
      expect(await world.second.containers.findProcessResult('c', 'task')).to.equal(undefined);
      expect((await world.second.containers.lookup('worker', 'c'))?.state).to.equal('created');
      await world.first.containers.recordProcessResult('c', 'task', { ...result, exitStatus: 3 });
      expect((await world.second.containers.findProcessResult('c', 'task'))?.exitStatus).to.equal(3);
    });
  });
}
