import { expect } from 'chai';
import { sharedPostgresUrl } from '../support/database/postgres.ts';
import { runDemo } from '../support/demo.ts';
import { nonRootImage, type RealCluster, realCluster, shellImage } from '../support/real-cluster.ts';

describe('the demo on a real cluster', function () {
  this.timeout(180_000);
  let real: RealCluster | undefined;

  before(async function () {
    real = await realCluster(this, 'demo');
  });

  after(async () => {
    await real?.remove();
  });

  for (const image of [shellImage, nonRootImage]) {
    it(`runs the main job with ${image} and PostgreSQL, and leaves nothing behind`, async () => {
      const { kubeconfigPath, namespace } = real!;
      const { status, stdout, stderr } = await runDemo([
        '--kubeconfig',
        kubeconfigPath,
        '--namespace',
        namespace,
        '--image',
        image,
        '--database',
        await sharedPostgresUrl(),
      ]);
      expect(status, `${stdout}\n${stderr}`).to.equal(0);
      expect(stdout).to.not.include('NOT OK');
      expect(stdout).to.match(/ok +0 pods are left\n +ok +0 rows are left\n\ndone/);
    });
  }
});
