import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import { chartFolder } from '../../support/chart/helm.ts';
import { chartProgram } from '../../support/chart/programs.ts';
import { type ChartSite, chartSite } from '../../support/chart/site.ts';
import { shellImage } from '../../support/real-cluster.ts';

describe("the local quickstart of the chart's README", function () {
  this.timeout(240_000);
  const namespace = `quickstart-${randomBytes(4).toString('hex')}`;
  let site: ChartSite;
  let folder: string | undefined;

  before(async function () {
    site = await chartSite(this);
    folder = await mkdtemp(join(tmpdir(), 'kw-quickstart-'));
    await symlink(await chartProgram('helm4'), join(folder, 'helm'));
  });

  after(async () => {
    if (folder === undefined) return;
    await rm(folder, { recursive: true });
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromDefault();
    await kubeConfig
      .makeApiClient(CoreV1Api)
      .deleteNamespace({ name: namespace })
      .catch(() => undefined);
  });

  it('installs the service and runs a step, with the names and addresses of the reader', async () => {
    const readme = await readFile(join(chartFolder, 'README.md'), 'utf8');
    const [, block = ''] =
      /^## Quickstart: a cluster on one machine\n[\s\S]*?^```sh\n([\s\S]*?)^```$/m.exec(readme) ?? [];
    const [, registry, repository, tag] = /^([^/]+)\/(.+):([^:/]+)$/.exec(site.image) ?? [];
    const { podUrl } = await site.newDatabase();
    // What a reader replaces. Each of them has to occur.
    const script = [
      [/(create namespace|-n|--namespace) ci\b/g, `$1 ${namespace}`],
      [/postgres:\/\/\S+/g, podUrl],
      [
        /--set image\.registry=registry\.example/g,
        `--set image.registry=${registry},image.repository=${repository},image.tag=${tag},tests.image=${shellImage}`,
      ],
    ].reduce((text, [pattern, value]) => {
      expect(text).to.match(pattern as RegExp);
      return text.replaceAll(pattern as RegExp, value as string);
    }, block);
    const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
    const cwd = join(chartFolder, '../..');
    const { stdout } = await promisify(execFile)('bash', ['-c', `set -euo pipefail\n${script}`], { env, cwd });
    expect(stdout).to.match(/^The step ran as \d+\.$/m);
  });
});
