import { expect } from 'chai';
import pg from 'pg';

import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { insert, leaseOf, ownerOf, rejection } from '../../contract/repository/repository-under-test.ts';
import { PgBouncer } from '../../support/database/pgbouncer.ts';
import { schemaOf, sharedPostgresUrl } from '../../support/database/postgres.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describe('Repository behind a PgBouncer in transaction mode with default settings', () => {
  const schema = schemaOf('pgbouncer');
  let bouncer: PgBouncer | undefined;
  let admin: pg.Pool | undefined;
  let repository: Repository | undefined;

  before(async function () {
    const missing = await PgBouncer.missing();
    if (missing !== undefined) {
      console.log(`        skipped: ${missing}`);
      this.skip();
    }
    const url = await sharedPostgresUrl();
    bouncer = await PgBouncer.start(url);
    admin = new pg.Pool({ connectionString: url, max: 1 });
    await admin.query(`drop schema if exists ${schema} cascade`);
    repository = await openRepository(bouncer.url, { schema, logger: silentLogger });
    await repository.workers.register('worker');
    await insert(repository, 'kept');
    await repository.containers.markCreated('kept', 'holder');
  });

  after(async () => {
    await repository?.close();
    await bouncer?.stop();
    await admin?.query(`drop schema if exists ${schema} cascade`);
    await admin?.end();
  });

  it('accepts the URL, migrates, and serves calls', async () => {
    const fresh = schemaOf('pgbouncer-fresh');
    await admin!.query(`drop schema if exists "${fresh}" cascade`);
    const opened = await openRepository(bouncer!.url, { schema: fresh, logger: silentLogger });
    await opened.workers.register('worker');
    await insert(opened, 'c');
    await opened.containers.markCreated('c', 'holder');
    expect(await opened.containers.lookup('worker', 'c')).to.include({ state: 'created' });
    await opened.close();
    await admin!.query(`drop schema "${fresh}" cascade`);
  });

  it('serves many concurrent callers, each with its own rows', async () => {
    const { containers } = repository!;
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const handle = `many-${index}`;
        await insert(repository!, handle);
        await containers.setProperty(handle, 'name', handle);
        await containers.markCreated(handle, 'holder');
        expect(await containers.properties(handle)).to.deep.equal({ name: handle });
        expect(await containers.renewLease(handle, leaseOf('holder'))).to.equal(false);
        expect(await containers.markOwnerFinished('worker', ownerOf(handle))).to.equal(1);
      }),
    );
  });

  it('is unavailable while the pooler is down, and serves calls after its restart', async () => {
    await bouncer!.stop();
    const unavailable = { code: 'KW_ERR_REPOSITORY_UNAVAILABLE', retryable: true };
    expect(await rejection(repository!.containers.lookup('worker', 'kept'))).to.include(unavailable);
    await repository!.close();
    bouncer = await PgBouncer.start(await sharedPostgresUrl());
    repository = await openRepository(bouncer.url, { schema, migrate: false, logger: silentLogger });
    expect(await repository.containers.lookup('worker', 'kept')).to.include({ state: 'created' });
  });
});
