import { randomUUID } from 'node:crypto';

import { expect } from 'chai';

import type { Worker } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { makeContainer, newOwner, sh, type WorkerSetup } from './setup.ts';

/** Specifies what a host uses that lives for one step, for any cluster. */
export function describeShortLivedHosts(setup: () => WorkerSetup): void {
  describe('a container whose pod has a chosen name', () => {
    let worker: Worker;
    let image: string;

    before(async () => {
      image = setup().image;
      worker = await setup().open();
    });

    after(async () => {
      await worker.reap();
      await worker.close();
    });

    it('is found by the next host, keeps its name from other owners, and frees it when its pod is gone', async () => {
      const podName = `job-${randomUUID()}`;
      const { container: earlier, owner, spec } = await makeContainer(worker, image, { podName });
      expect(earlier.podName).to.equal(podName);
      const next = await setup().open();
      try {
        expect((await next.findOrCreateContainer(owner, spec)).created).to.equal(false);
        const other = newOwner();
        const error = await rejection(next.findOrCreateContainer(other, spec));
        expect(error).to.include({ code: 'KW_ERR_CONFLICT', resource: 'pods', verb: 'create' });
        expect(error.message).to.include(`pod ${podName} `);
        await next.ownerFinished(other, { deletePod: { gracePeriodSeconds: 0 } });
        await next.reap();
        expect((await sh(earlier, 'echo untouched')).stdout).to.equal('untouched\n');

        await next.ownerFinished(owner, { handle: 'another', deletePod: {} });
        expect((await sh(earlier, 'echo unmarked')).stdout).to.equal('unmarked\n');
        for (const _ of [1, 2]) await next.ownerFinished(owner, { deletePod: {} });
        expect(await next.lookupContainer(earlier.handle)).to.equal(undefined);
        while ((await setup().podNames()).includes(podName)) await new Promise((resolve) => setTimeout(resolve, 20));
        const { container: later } = await next.findOrCreateContainer(other, spec);
        expect(later.podName).to.equal(podName);
        // A host that still has the earlier container reaches no command of the later one.
        expect(['KW_ERR_POD_DELETED', 'KW_ERR_CONTAINER_DISAPPEARED']).to.include(
          (await rejection(earlier.run({ id: 'late', path: 'touch', args: ['/tmp/late'] }, {}))).code,
        );
        expect((await sh(later, 'ls /tmp')).stdout).to.not.include('late');
        expect((await next.reap()).deletedContainers).to.be.greaterThanOrEqual(1);
        expect((await sh(later, 'echo kept')).stdout).to.equal('kept\n');
        await next.ownerFinished(other, { deletePod: { gracePeriodSeconds: 0 } });
      } finally {
        await next.close();
      }
    });
  });
}
