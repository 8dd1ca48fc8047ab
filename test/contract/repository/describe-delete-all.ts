import { expect } from 'chai';

import { artifactOf, insert, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

export function describeDeleteAll(world: RepositoryUnderTest): void {
  const states = ['creating', 'created', 'failed', 'destroying'] as const;

  async function expectLimit(call: (handles: readonly string[]) => Promise<unknown>): Promise<void> {
    const handles = Array.from({ length: 1_000 }, (_, index) => `h${index}`);
    await call(handles);
    await call([]);
    for (const invalid of [[...handles, 'more'], ['a\0']])
      expect(await rejection(call(invalid))).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'handles' });
  }

  describe('deleteAll of containers', () => {
    it('deletes those that are destroying, with their volumes, processes and properties, and no others', async () => {
      const { containers } = world.first;
      for (const state of states) await insert(world.first, state);
      await insert(world.first, 'second');
      await containers.markCreated('created', 'holder');
      await containers.markFailed('failed', 'holder');
      await containers.setProperty('second', 'name', 'value');
      await containers.recordProcessResult('second', 'p', { exitStatus: 0, signal: undefined, oomKills: undefined });
      for (const handle of ['destroying', 'second']) await containers.markOwnerFinished('worker', ownerOf(handle));
      const deleted = await containers.deleteAll([...states, 'second', 'none']);
      expect(deleted.handles).to.have.members(['destroying', 'second']);
      expect(deleted.volumes).to.equal(4);
      const left = await world.query(`select handle from ${world.table('containers')} order by handle`);
      expect(left.map(({ handle }) => handle)).to.deep.equal(['created', 'creating', 'failed']);
      expect([await world.count('volumes'), await world.count('processes')]).to.deep.equal([6, 0]);
      expect(await world.count('container_properties')).to.equal(0);
    });

    it('returns nothing if no row is deleted', async () => {
      expect(await world.first.containers.deleteAll(['none'])).to.deep.equal({ handles: [], volumes: 0 });
      expect(await world.first.containers.deleteAll([])).to.deep.equal({ handles: [], volumes: 0 });
    });

    it('deletes each row once when two hosts delete the same rows', async () => {
      const handles = Array.from({ length: 6 }, (_, index) => `c${index}`);
      for (const handle of handles) {
        await insert(world.first, handle);
        await world.first.containers.markOwnerFinished('worker', ownerOf(handle));
      }
      const both = await Promise.all([
        world.first.containers.deleteAll(handles),
        world.second.containers.deleteAll(handles.toReversed()),
      ]);
      expect(both.flatMap(({ handles: deleted }) => deleted)).to.have.members(handles);
      expect(both.reduce((sum, { volumes }) => sum + volumes, 0)).to.equal(12);
    });

    it('has at most 1,000 handles', async () => {
      await expectLimit(async (handles) => await world.first.containers.deleteAll(handles));
    });
  });

  describe('deleteAll of artifact volumes', () => {
    it('deletes those that are destroying, and no others', async () => {
      const { volumes } = world.first;
      for (const state of states) await volumes.insertArtifact(artifactOf(state));
      await volumes.markCreated('created');
      await volumes.markFailed('failed');
      await volumes.expire('worker', 'destroying');
      expect(await volumes.deleteAll([...states, 'none'])).to.deep.equal(['destroying']);
      expect(await volumes.deleteAll([...states, 'none'])).to.deep.equal([]);
      expect(await world.count('volumes')).to.equal(3);
    });

    it('keeps the volumes of containers', async () => {
      await insert(world.first, 'c');
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      expect(await world.first.volumes.deleteAll(['c-source', 'c-result'])).to.deep.equal([]);
      expect(await world.count('volumes')).to.equal(2);
    });

    it('has at most 1,000 handles', async () => {
      await expectLimit(async (handles) => await world.first.volumes.deleteAll(handles));
    });
  });
}
