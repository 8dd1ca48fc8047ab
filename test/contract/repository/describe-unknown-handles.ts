import { expect } from 'chai';

import { artifactOf, insert, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

export function describeUnknownHandles(world: RepositoryUnderTest): void {
  describe('unknownHandles', () => {
    it('returns the handles that no container and no volume has', async () => {
      await insert(world.first, 'c');
      await world.first.volumes.insertArtifact(artifactOf('a'));
      const handles = ['none', 'c', 'c-source', 'a', 'neither'];
      expect(await world.second.queries.unknownHandles(handles)).to.deep.equal(['none', 'neither']);
    });

    it('does not return the handle of a row in any state, until it is deleted', async () => {
      await insert(world.first, 'c');
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      expect(await world.first.queries.unknownHandles(['c'])).to.deep.equal([]);
      await world.first.containers.delete('c');
      expect(await world.first.queries.unknownHandles(['c'])).to.deep.equal(['c']);
    });

    it('answers without a handle, and for a thousand', async () => {
      expect(await world.first.queries.unknownHandles([])).to.deep.equal([]);
      const handles = Array.from({ length: 1_000 }, (_, index) => `h${index}`);
      expect(await world.first.queries.unknownHandles(handles)).to.deep.equal(handles);
    });

    it('rejects more handles', async () => {
      const handles = Array.from({ length: 1_001 }, (_, index) => `h${index}`);
      await expectField(world.first.queries.unknownHandles(handles), 'handles');
    });
  });

  describe('unknownWorkers', () => {
    it('returns the names that no worker has', async () => {
      await world.first.workers.register('other');
      const names = ['none', 'worker', 'other', 'neither'];
      expect(await world.second.queries.unknownWorkers(names)).to.deep.equal(['none', 'neither']);
      expect(await world.second.queries.unknownWorkers([])).to.deep.equal([]);
    });

    it('rejects more than a thousand, and a name that cannot be stored', async () => {
      const names = Array.from({ length: 1_001 }, (_, index) => `n${index}`);
      await expectField(world.first.queries.unknownWorkers(names), 'names');
      await expectField(world.first.queries.unknownWorkers(['a\0']), 'names');
    });
  });
}

async function expectField(promise: Promise<unknown>, field: string): Promise<void> {
  expect(await rejection(promise)).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
}
