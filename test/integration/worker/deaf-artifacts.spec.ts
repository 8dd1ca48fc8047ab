import { Readable } from 'node:stream';

import { expect } from 'chai';

import { FakeArtifact } from '../../../fakes/index.ts';
import type { Worker } from '../../../src/index.ts';
import { newOwner } from '../../contract/worker/setup.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';

const image = 'busybox:1';

/** Artifacts of a host that do not notice the signal of `streamOut`. */
const deaf: Readonly<Record<string, () => Promise<Readable>>> = {
  'never answers': async () => await new Promise(() => {}),
  'sends nothing': async () => new Readable({ read: () => {} }),
  'sends nothing and does not close': async () => new Readable({ read: () => {}, destroy: () => {} }),
};

describe('an artifact that ignores its signal', () => {
  const world = withEmbeddedWorker(image);

  for (const [what, streamOut] of Object.entries(deaf)) {
    /** Begins a creation, and waits until the artifact is asked for its content. */
    const begin = async (
      worker: Worker,
      options: { signal?: AbortSignal } = {},
      more: readonly FakeArtifact[] = [],
    ) => {
      const asked = Promise.withResolvers<void>();
      const artifact = new FakeArtifact({ handle: 'deaf', source: 'elsewhere' });
      artifact.streamOut.callsFake(async () => {
        asked.resolve();
        return await streamOut();
      });
      const inputs = [artifact, ...more].map((each, index) => ({ artifact: each, path: `/tmp/in${index}` }));
      const creating = rejection(worker.findOrCreateContainer(newOwner(), { image, inputs }, options));
      await Promise.race([asked.promise, creating]);
      return { creating };
    };

    it(`and ${what} does not delay an abort`, async () => {
      const abort = new AbortController();
      const { creating } = await begin(world.worker, abort);
      const reason = new Error('enough');
      abort.abort(reason);
      expect(await creating).to.equal(reason);
    });

    it(`and ${what} does not delay the failure of another input`, async () => {
      const broken = new FakeArtifact({ handle: 'broken', source: 'elsewhere' });
      broken.streamOut.rejects(new Error('broken'));
      const { creating } = await begin(world.worker, {}, [broken]);
      expect(await creating).to.include({ message: 'broken' });
    });

    it(`and ${what} does not delay the end of the worker`, async () => {
      const worker = await world.setup.open();
      const { creating } = await begin(worker);
      await worker.close();
      expect(await creating).to.include({ code: 'KW_ERR_CLOSED' });
    });
  }
});
