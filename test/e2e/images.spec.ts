import { PassThrough, Readable } from 'node:stream';

import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { Collector, makeContainer, run, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { fullImage, type RealCluster, realCluster, realWorkers, shellImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';
import { readTarText, tarOf } from '../support/tar.ts';

describe('images and namespaces of a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite;

  before(async function () {
    real = await realCluster(this, 'images');
    database = await newPGlite();
  });

  after(async () => {
    await real?.remove();
    await (database as PGlite | undefined)?.close();
  });

  context('a full Linux image', () => {
    it("runs as any user of the image, by name or number, with that user's groups and home", async () => {
      await using worker = await realWorkers(real!, database, { image: fullImage }).open();
      const { container, owner } = await makeContainer(worker, fullImage);
      const who = async (user: string | undefined) =>
        (
          await run(container, {
            path: 'bash',
            args: ['-c', 'echo "$(id -un):$(id -gn) $HOME $(stat -c %U .)"'],
            user,
            dir: `as-${user?.replace(':', '-') ?? 'root'}`,
          })
        ).stdout;
      expect(await who(undefined)).to.equal('root:root /root root\n');
      expect(await who('games')).to.equal('games:games /usr/games games\n');
      expect(await who('1:daemon')).to.equal('daemon:daemon /usr/sbin daemon\n');
      expect((await rejection(container.run({ path: 'true', user: 'nobody-knows' }, {}))).code).to.equal(
        'KW_ERR_USER_NOT_FOUND',
      );
      const [keys, screen] = [new PassThrough(), new Collector()];
      const shell = await container.run(
        { path: 'bash', args: ['--norc', '-i'], user: 'games', tty: { windowSize: { columns: 100, rows: 30 } } },
        { stdin: keys, stdout: screen },
      );
      keys.write('echo "$((6 * 7)) $(tty) $(stty size)"; exit 4\r');
      expect((await shell.wait()).exitStatus).to.equal(4);
      expect(screen.text).to.match(/42 \/dev\/pts\/\d+ 30 100\r\n/);
      await worker.ownerFinished(owner);
      await worker.reap();
    });
  });

  context('an image with an editor', () => {
    it('edits a file, key by key, on a screen that is resized', async () => {
      await using worker = await realWorkers(real!, database).open();
      const { container, owner } = await makeContainer(worker, shellImage);
      await sh(container, 'seq 1 200 > file');
      const [keys, screen] = [new PassThrough(), new Collector()];
      const vi = await container.run(
        { path: 'vi', args: ['file'], tty: { windowSize: { columns: 80, rows: 10 } }, env: ['TERM=xterm'] },
        { stdin: keys, stdout: screen },
      );
      // The editor uses the last of the ten lines itself.
      await screen.shows('9');
      expect(screen.text).to.not.contain('39');
      await vi.resize({ columns: 80, rows: 40 });
      // The editor reads the new size at the next key: Control-L redraws the screen.
      keys.write('\x0c');
      await screen.shows('39');
      // Goes to line 5, inserts two words before it, deletes a line, writes and quits.
      keys.write('5Gihello world\x1b');
      await screen.shows('hello world');
      keys.write('jdd:wq\r');
      expect((await vi.wait()).exitStatus).to.equal(0);
      expect((await sh(container, 'head -n 6 file')).stdout).to.equal('1\n2\n3\n4\nhello world5\n7\n');
      await worker.ownerFinished(owner);
      await worker.reap();
    });
  });

  context('a namespace that accepts only restricted pods', () => {
    it('accepts pods of a user other than root with a read-only root file system, and everything works in them', async () => {
      const api = real!.kubeConfig.makeApiClient(CoreV1Api);
      const name = `${real!.namespace}-strict`;
      await api.createNamespace({
        body: { metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
      });
      try {
        while ((await api.listNamespacedServiceAccount({ namespace: name })).items.length === 0)
          await new Promise((resolve) => setTimeout(resolve, 100));
        const pods = { security: 'restricted', runAsUser: 1234, readOnlyRootFilesystem: true } as const;
        // The permissions of the account are those of one namespace.
        const elsewhere = { account: undefined, namespace: name, options: { pods } };
        await using worker = await realWorkers(real!, database, elsewhere).open();
        const { volume } = await worker.createVolumeForArtifact('team');
        await volume.streamIn('.', Readable.from([await tarOf({ 'in.txt': 'in' })]));
        const { container, owner, mounts } = await makeContainer(worker, shellImage, {
          inputs: [{ artifact: volume, path: 'in' }],
          outputs: { out: 'out' },
        });
        expect(
          (
            await sh(
              container,
              'id -u; cat in/in.txt; touch /file 2>/dev/null || echo read-only; echo out > out/out.txt',
            )
          ).stdout,
        ).to.equal('1234\ninread-only\n');
        expect((await sh(container, 'stty size; exit 3', { tty: {} })).exitStatus).to.equal(3);
        expect((await rejection(container.run({ path: 'true', user: 'root' }, {}))).code).to.equal(
          'KW_ERR_NOT_PERMITTED',
        );
        expect(
          await readTarText(await mounts.find(({ name: output }) => output === 'out')!.volume.streamOut('.')),
        ).to.deep.equal({
          'out.txt': 'out\n',
        });
        await worker.ownerFinished(owner);
        await worker.expireArtifact(volume.handle);
        expect((await worker.reap()).deletedPods).to.equal(2);
      } finally {
        await api.deleteNamespace({ name, gracePeriodSeconds: 0 });
      }
    });
  });
});
