import { randomUUID } from 'node:crypto';

import { expect } from 'chai';

import { type Container, KubernetesWorker } from '../../../src/index.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { type CliResult, runCli, startCli } from '../../support/service/cli.ts';

describe('the commands on a real cluster', function () {
  this.timeout(120_000);
  let real: RealCluster;
  let server: PostgresServer;
  let worker: KubernetesWorker;
  let container: Container;
  let env: Readonly<Record<string, string>>;
  const owner = { kind: 'build-step', key: randomUUID() };

  const cli = (...args: string[]): Promise<CliResult> => runCli(args, { env });

  before(async function () {
    real = await realCluster(this, 'cli');
    server = await PostgresServer.start();
    const { kubeconfigPath, namespace } = real;
    env = {
      KW_DATABASE_URL: server.url,
      KW_WORKER_NAME: 'ci',
      KW_WORKER_NAMESPACE: namespace,
      KW_WORKER_KUBECONFIG: kubeconfigPath,
      KW_WORKER_VOLUME_IMAGE: shellImage,
    };
    expect(await cli('migrate', '--check')).to.include({ exitCode: 1, stderr: '' });
    expect((await cli('migrate')).stdout).to.match(/^applied /);
    expect(await cli('migrate', '--check')).to.include({ exitCode: 0, stdout: 'The schema is up to date.\n' });
    worker = await KubernetesWorker.open({
      name: 'ci',
      namespace,
      kubeConfig: kubeconfigPath,
      database: server.url,
      volumeImage: shellImage,
    });
    ({ container } = await worker.findOrCreateContainer(owner, { image: shellImage }));
  });

  after(async () => {
    await worker?.close();
    await server?.stop();
    await real?.remove();
  });

  it('examine the installation, list the container, and describe its pod', async () => {
    const doctor = await cli('doctor', '--no-images', '--json');
    expect(doctor.exitCode, doctor.stdout + doctor.stderr).to.equal(0);
    const ps = JSON.parse((await cli('ps', '--json')).stdout);
    expect(ps).to.have.length(1);
    expect(ps[0]).to.include({ handle: container.handle, state: 'created' });
    expect(ps[0].nodeName).to.be.a('string');
    expect((await cli('explain', 'container', container.handle)).stdout).to.include('Phase: ');
    expect((await cli('explain', 'image', shellImage)).stdout).to.include('Permitted: yes');
    expect((await cli('events')).stdout).to.include(`present  ${container.handle}`);
  });

  it('print the output of a process that runs and of one that has ended, from an offset', async () => {
    await container.run({ id: 'task', path: 'sh', args: ['-c', 'echo out; echo err >&2; sleep 600'] }, {});
    const following = startCli(['logs', container.handle, 'task', '--follow'], { env });
    await following.waitFor('out\n');
    following.kill('SIGINT');
    expect((await following.ended).exitCode).to.equal(130);
    expect(await cli('logs', container.handle)).to.deep.equal({ exitCode: 0, stdout: 'out\n', stderr: 'err\n' });
    await container.stopProcess('task');
    expect(await cli('logs', container.handle, '--since-bytes', '1,3')).to.deep.equal({
      exitCode: 0,
      stdout: 'ut\n',
      stderr: '\n',
    });
  });

  it('reap what its owner no longer needs', async () => {
    await worker.ownerFinished(owner);
    expect((await cli('reap', '--dry-run')).stdout).to.match(/container +\S+ +marked/);
    expect((await cli('reap')).stdout).to.include('1 containers');
  });

  it('exit with 78 for a mistyped name of a worker, which they do not register', async () => {
    const { exitCode, stderr } = await runCli(['ps'], { env: { ...env, KW_WORKER_NAME: 'mistyped' } });
    expect(exitCode).to.equal(78);
    expect(stderr).to.include('KW_ERR_WORKER_NOT_FOUND').and.include('"mistyped"').and.include('KW_WORKER_NAME');
    expect((await worker.listWorkers()).map(({ name }) => name)).to.deep.equal(['ci']);
  });

  it('exit with 69 if the database does not answer', async () => {
    const down = { ...env, KW_DATABASE_URL: 'postgres://x@127.0.0.1:1/x' };
    const { exitCode, stderr } = await runCli(['ps'], { env: down });
    expect(exitCode).to.equal(69);
    expect(stderr).to.include('KW_ERR_REPOSITORY_UNAVAILABLE');
  });
});
