import { expect } from 'chai';

import { migrateDatabase } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { SilentServer } from '../../support/service/silent-server.ts';

describe('migrateDatabase', () => {
  it('rejects with the reason of its signal while the database is silent, and does not wait for it', async () => {
    await using silent = await SilentServer.start();
    const [controller, reason] = [new AbortController(), new Error('enough')];
    const migrating = migrateDatabase(`postgres://x@127.0.0.1:${silent.port}/x`, { signal: controller.signal });
    migrating.catch(() => undefined);
    await silent.connected;
    const abortedAt = performance.now();
    controller.abort(reason);
    expect(await rejection(migrating)).to.equal(reason);
    // A connection that the database does not answer ends after ten seconds.
    expect(performance.now() - abortedAt).to.be.below(9_000);
  });
});
