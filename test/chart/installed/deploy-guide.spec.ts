import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import { chartFolder } from '../../support/chart/helm.ts';
import { chartProgram } from '../../support/chart/programs.ts';
import { type ChartSite, chartSite } from '../../support/chart/site.ts';
import { executedBlocks, exportedVariables } from '../../support/documents/executed-blocks.ts';
import { freePort } from '../../support/free-port.ts';
import { shellImage } from '../../support/real-cluster.ts';

/** Prints the heading of each block before it, so that a failure shows where it was. */
const markOf = (section: string): string => `== ${section}`;

describe('docs/deploy.md', function () {
  this.timeout(480_000);
  let site: ChartSite;
  let folder: string;
  let guide: string;
  let env: Record<string, string>;

  before(async function () {
    site = await chartSite(this);
    folder = await mkdtemp(join(tmpdir(), 'kw-deploy-'));
    guide = await readFile(new URL('../../../docs/deploy.md', import.meta.url), 'utf8');
    env = await asAReaderSetsThem(site);
  });

  after(async () => {
    if ((folder as string | undefined) === undefined) return;
    await rm(folder, { recursive: true });
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromDefault();
    const api = kubeConfig.makeApiClient(CoreV1Api);
    // The last block has deleted them, unless one before it has failed.
    for (const name of [env['NAMESPACE']!, env['STEPS']!]) await api.deleteNamespace({ name }).catch(() => undefined);
  });

  it('exports the variables that its blocks use, and no others', () => {
    expect(Object.keys(env)).to.have.members([...exportedVariables(guide)]);
    const script = executedBlocks(guide)
      .map(({ script: text }) => text)
      .join('\n');
    for (const name of Object.keys(env)) expect(script).to.match(new RegExp(`\\$${name}\\b`));
  });

  it('installs, checks, upgrades, rolls back and uninstalls the service by its blocks alone', async () => {
    const blocks = executedBlocks(guide);
    expect(blocks.map(({ section }) => section[0])).to.deep.equal([
      '2',
      '2',
      '3',
      '4',
      '5',
      '5',
      '5',
      '6',
      '7',
      '8',
      '8',
    ]);
    const script = [
      // A block that fails must not leave the port forward behind.
      "set -euo pipefail; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT",
      ...blocks.map(({ section, script: text }) => `echo '${markOf(section)}'\n${text}`),
    ].join('\n');
    await symlink(await chartProgram('helm4'), join(folder, 'helm'));
    const PATH = `${folder}:${process.env['PATH']}`;
    // A reader is in a checkout, where the chart has the path of the guide; what the blocks write goes to the folder.
    await symlink(dirname(chartFolder), join(folder, 'charts'));
    const stdout = await outputOfScript(script, { ...process.env, ...env, PATH });

    const [, ...outputs] = stdout.split(/^== .*$/m);
    const outputOf = (start: string): string =>
      outputs.filter((_, index) => blocks[index]!.section.startsWith(start)).join('');
    expect(outputOf('5')).to.match(/The step ran as \d+\./);
    expect(outputOf('5')).to.contain('readyz check passed');
    expect(outputOf('5')).to.contain('"state":"running"');
    expect(outputOf('6')).to.match(/^1\s.*superseded.*\n2\s.*deployed/m);
    expect(outputOf('7')).to.contain('successfully rolled out');
    expect(outputOf('8')).to.match(/configmap "kubernetes-worker-agent-\S+" deleted/);
    expect(outputOf('8')).to.contain(`namespace "${env['NAMESPACE']}" deleted`);
  });

  /** Runs a script in the folder. If it fails, the error has the end of its output, from which block it was. */
  async function outputOfScript(script: string, variables: NodeJS.ProcessEnv): Promise<string> {
    return await new Promise((resolve, reject) => {
      const options = { cwd: folder, env: variables, maxBuffer: 16_777_216 };
      execFile('bash', ['-c', script], options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`the guide fails: ${stderr.slice(-2_000)}\n${stdout.slice(-2_000)}`, { cause: error }));
      });
    });
  }
});

/** Returns what the first block of the guide exports, for this site. */
async function asAReaderSetsThem(site: ChartSite): Promise<Record<string, string>> {
  const [, registry = '', repository = '', tag = ''] = /^([^/]+)\/(.+):([^:/]+)$/.exec(site.image) ?? [];
  const { podUrl } = await site.newDatabase();
  const NAMESPACE = `guide-${randomBytes(4).toString('hex')}`;
  return {
    NAMESPACE,
    STEPS: `${NAMESPACE}-steps`,
    RELEASE: 'kubernetes-worker',
    CHART: 'charts/kubernetes-worker',
    IMAGE_REGISTRY: registry,
    IMAGE_REPOSITORY: repository,
    IMAGE_TAG: tag,
    STEP_IMAGE: shellImage,
    DATABASE_URL: podUrl,
    DATABASE_ADDRESS: site.databaseServer.address,
    DATABASE_PORT: String(site.databaseServer.port),
    LOCAL_PORT: String(await freePort()),
  };
}
