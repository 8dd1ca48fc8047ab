import { expect } from 'chai';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { containerOf, leaseOf, ownerOf } from '../../contract/repository/repository-under-test.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describe('a database that has become a standby', () => {
  const unavailable = { code: 'KW_ERR_REPOSITORY_UNAVAILABLE', retryable: true };
  let server: PostgresServer;
  let repository: Repository;

  before(async () => {
    server = await PostgresServer.start();
    const primary = await openRepository(server.url, { logger: silentLogger });
    await primary.workers.register('worker');
    await insert(primary, 'a');
    await primary.close();
    await server.becomeStandby();
    repository = await openRepository(server.url, { logger: silentLogger });
  });

  after(async () => {
    await repository?.close();
    await server?.stop();
  });

  async function insert(into: Repository, handle: string): Promise<void> {
    const owner = ownerOf(handle);
    await into.containers.findOrInsert('worker', owner, leaseOf('me'), () => containerOf(handle, owner));
  }

  it('answers look-ups', async () => {
    expect(await repository.containers.lookup('worker', 'a')).to.include({ state: 'creating' });
  });

  it('refuses every change with a retryable error', async () => {
    for (const change of [
      async () => await repository.workers.register('other'),
      async () => await insert(repository, 'b'),
      async () => await repository.containers.markCreated('a', 'me'),
      async () => await repository.containers.findDestroyable('worker', 1),
      async () => await repository.workers.beginReap('worker', leaseOf('me'), { sinceMs: 0 }),
    ])
      expect(await rejection(change())).to.include(unavailable);
  });

  it('is not asked which handles are unknown, because it may lack the newest rows', async () => {
    expect(await rejection(repository.queries.unknownHandles(['a', 'b']))).to.include(unavailable);
  });
});
