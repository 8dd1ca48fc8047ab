import { expect } from 'chai';

import { withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';

describe('the registration of a worker’s name', () => {
  const world = withEmbeddedWorker('busybox:1');

  const names = async (): Promise<readonly string[]> =>
    (await world.database.query<{ name: string }>('select name from kubernetes_worker.workers order by name')).rows.map(
      ({ name }) => name,
    );

  it('does not happen with `register: false`: a mistyped name is an error that names the field', async () => {
    const before = await names();
    const error = await rejection(world.setup.openWith({ name: 'mistyped', register: false }));
    expect(error).to.include({
      code: 'KW_ERR_WORKER_NOT_FOUND',
      field: 'name',
      workerName: 'mistyped',
      retryable: false,
    });
    expect(await names()).to.deep.equal(before);
  });

  it('is not needed with `register: false` if the database has the name', async () => {
    await using opened = await world.setup.openWith({ register: false });
    expect(await opened.info()).to.deep.include({ name: opened.name });
    const { container } = await opened.findOrCreateContainer({ kind: 'k', key: 'registered' }, { image: 'busybox:1' });
    // It belongs to the same installation: the other worker object finds it.
    expect((await world.worker.lookupContainer(container.handle))?.handle).to.equal(container.handle);
  });
});
