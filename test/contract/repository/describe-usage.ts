import { expect } from 'chai';

import {
  artifactOf,
  containerOf,
  leaseOf,
  ownerOf,
  type RepositoryUnderTest,
  volumeOf,
} from './repository-under-test.ts';

export function describeUsage(world: RepositoryUnderTest): void {
  const content = (sizeBytes: number) => ({ digest: 'a'.repeat(64), sizeBytes });

  /** Inserts a container with two volumes. One of them has this size. */
  async function container(handle: string, team: string | undefined, sizeBytes: number): Promise<void> {
    const owner = ownerOf(handle);
    const { containers, volumes } = world.first;
    await containers.findOrInsert('worker', owner, leaseOf('holder'), () => ({
      ...containerOf(handle, owner, [volumeOf(`${handle}-in`, '/in'), volumeOf(`${handle}-out`, '/out')]),
      metadata: { type: 'task', team },
    }));
    await containers.markCreated(handle, 'holder');
    await volumes.markReady(`${handle}-in`, content(sizeBytes));
  }

  const counts = async (by: 'team' | 'owner') =>
    (await world.second.queries.usage('worker', { by })).map((group) => [
      by === 'team' ? group.team : group.owner?.key,
      group.liveContainers,
      group.keptContainers,
      group.volumes,
      group.knownBytes,
      group.volumesOfUnknownSize,
    ]);

  describe('usage', () => {
    beforeEach(async () => {
      await container('a', 'red', 100);
      await container('b', 'red', 10);
      await container('c', 'blue', 5_000_000_000);
      await container('d', undefined, 1);
      await container('gone', 'blue', 7);
      await world.first.containers.markOwnerFinished('worker', ownerOf('b'), { keepForMs: 60_000 });
      await world.first.containers.markOwnerFinished('worker', ownerOf('gone'));
      await world.first.volumes.insertArtifact({ ...artifactOf('e'), teamId: 'red' });
      await world.first.volumes.insertArtifact({ ...artifactOf('f'), teamId: 'green' });
      await world.first.volumes.markReady('f', content(2));
    });

    it('counts what each team has, the team with the most bytes first', async () => {
      expect(await counts('team')).to.deep.equal([
        ['blue', 1, 0, 2, 5_000_000_000, 1],
        ['red', 1, 1, 5, 110, 3],
        ['green', 0, 0, 1, 2, 0],
        [undefined, 1, 0, 2, 1, 1],
      ]);
    });

    it('counts what each owner has, and artifact volumes without one', async () => {
      expect(await counts('owner')).to.deep.equal([
        ['c', 1, 0, 2, 5_000_000_000, 1],
        ['a', 1, 0, 2, 100, 1],
        ['b', 0, 1, 2, 10, 1],
        [undefined, 0, 0, 2, 2, 1],
        ['d', 1, 0, 2, 1, 1],
      ]);
      const [first] = await world.first.queries.usage('worker', { by: 'owner' });
      expect(first).to.deep.include({ owner: ownerOf('c'), team: undefined });
    });

    it('counts nothing of another worker', async () => {
      await world.first.workers.register('other');
      expect(await world.first.queries.usage('other', { by: 'team' })).to.deep.equal([]);
    });

    it('returns at most 1,000 groups', async () => {
      await world.query(`insert into ${world.table('volumes')}
          (handle, worker_name, kind, state, store, location, expires_at, team_id)
        select 'v' || n, 'worker', 'artifact', 'created', 'pod', '{}', now(), 'team ' || n
        from generate_series(1, 1100) as n`);
      const groups = await world.first.queries.usage('worker', { by: 'team' });
      expect(groups).to.have.length(1_000);
      expect(groups[0]!.team).to.equal('blue');
    });
  });

  describe('countRows', () => {
    it('counts containers and volumes by state, and archives that are ready by store', async () => {
      await container('a', 'red', 100);
      await container('b', 'red', 10);
      await world.first.containers.markOwnerFinished('worker', ownerOf('b'));
      await world.first.volumes.insertArtifact(artifactOf('e'));
      const { containers, volumes, archives } = await world.second.queries.countRows('worker');
      expect(containers).to.deep.equal({ creating: 0, created: 1, kept: 0, failed: 0, destroying: 1 });
      const { creating, created, failed, destroying } = volumes;
      expect(creating + created + failed + destroying).to.equal(5);
      expect(archives).to.deep.equal([]);
    });

    it('counts 0 of everything of another worker', async () => {
      await container('a', 'red', 100);
      expect(await world.first.queries.countRows('other')).to.deep.equal({
        containers: { creating: 0, created: 0, kept: 0, failed: 0, destroying: 0 },
        volumes: { creating: 0, created: 0, failed: 0, destroying: 0 },
        archives: [],
      });
    });
  });
}
