import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';
import pg from 'pg';

import { PostgresServer } from '../../support/database/postgres-server.ts';
import { EmbeddedProcess } from '../../support/embedded-process.ts';
import { OpenApi } from '../../support/service/openapi.ts';
import { ServeProcess } from '../../support/service/serve-process.ts';

describe('kubernetes-worker serve', () => {
  let cluster: EmbeddedProcess;
  let database: PostgresServer;
  let replicas: ServeProcess[];
  let worker = 0;

  before(async () => {
    [cluster, database] = await Promise.all([EmbeddedProcess.start(), PostgresServer.start()]);
  });

  beforeEach(() => {
    replicas = [];
    // Each test has a worker of its own.
    worker += 1;
  });

  afterEach(async () => {
    for (const { cli } of replicas) cli.kill('SIGKILL');
    await Promise.all(replicas.map(({ cli }) => cli.ended));
  });

  after(async () => {
    await cluster.close();
    await database.stop();
  });

  const environment = () => ({
    KW_DATABASE_URL: database.url,
    KW_WORKER_KUBECONFIG: cluster.kubeconfigPath,
    KW_WORKER_NAMESPACE: 'default',
    KW_WORKER_NAME: `w${worker}`,
  });

  function start(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []): ServeProcess {
    const replica = new ServeProcess({ ...environment(), ...env }, args);
    replicas.push(replica);
    return replica;
  }

  /** Starts two replicas. The first one leads. */
  async function startTwo(): Promise<readonly [leader: ServeProcess, follower: ServeProcess]> {
    const leader = start();
    await leader.untilLeads();
    const follower = start();
    await follower.untilProbe('readyz', 200);
    expect(follower.leads).to.equal(false);
    return [leader, follower];
  }

  /** How long the lease of the leader lasts at most, by the clock of the database. */
  async function leaseSeconds(): Promise<number> {
    const client = new pg.Client(database.url);
    await client.connect();
    const { rows } = await client.query<{ seconds: number }>(
      `select extract(epoch from expires_at - now())::float8 as seconds from kubernetes_worker.reservations
       where kind = 'kubernetes-worker/controllers' and worker_name = $1`,
      [`w${worker}`],
    );
    await client.end();
    return rows[0]!.seconds;
  }

  it('is replaced when it is killed, after a lease that lapses within ten seconds', async () => {
    const [leader, follower] = await startTwo();
    leader.cli.kill('SIGKILL');
    // A follower tries every second, which its own test shows in virtual time.
    expect(await leaseSeconds()).to.be.at.most(10);
    await follower.untilLeads();
  });

  it('exits with 0 at SIGTERM, and is replaced at once', async () => {
    const [leader, follower] = await startTwo();
    leader.cli.kill('SIGTERM');
    await follower.untilLeads();
    expect((await leader.cli.ended).exitCode).to.equal(0);
    const messages = leader.lines.map(({ message }) => message);
    expect(messages.slice(messages.indexOf('service ends'))).to.deep.equal([
      'service ends',
      'controllers end: the lease was handed back',
      'service ended',
    ]);
  });

  it('shows in each replica which one leads, and in the leader the last success of each loop', async () => {
    const [leader, follower] = await startTwo();
    const openApi = await OpenApi.load();
    const statusOf = async (replica: ServeProcess): Promise<ReturnType<typeof JSON.parse>> => {
      const response = await fetch(`${await replica.url()}/api/v1/status`);
      const body = await response.json();
      const seen = { status: response.status, type: 'application/json', body };
      expect(openApi.problems('/api/v1/status', seen)).to.deep.equal([]);
      return body;
    };
    const hasRun = async (): Promise<boolean> =>
      (await statusOf(leader)).controllers.every(({ succeededAt }: { succeededAt: string | null }) => succeededAt);
    while (!(await hasRun())) await sleep(100);
    const [led, followed] = [await statusOf(leader), await statusOf(follower)];
    expect([led.leadership.role, followed.leadership.role]).to.deep.equal(['leader', 'follower']);
    expect(led.worker.leader)
      .to.match(new RegExp(`^${hostname()}/`))
      .and.to.equal(followed.worker.leader);
    expect(followed.worker.reaperPassAt).to.be.a('string');
    expect(followed.controllers.map(({ name, beganAt }: { name: string; beganAt: unknown }) => [name, beganAt])).to.eql(
      [
        ['reaper', null],
        ['heartbeats', null],
      ],
    );
    expect(led.load.attachments).to.deep.equal({ used: 0, waiting: 0, limit: 512 });
  });

  it('exits with 0 at SIGINT', async () => {
    const replica = start();
    await replica.untilLeads();
    replica.cli.kill('SIGINT');
    expect((await replica.cli.ended).exitCode).to.equal(0);
  });

  it('exits with 143 at once at a second SIGTERM, amid its end', async () => {
    const replica = start();
    await replica.untilLeads();
    const { hostname, port } = new URL(await replica.url());
    // The end waits for a request that is not complete.
    const client = connect(Number(port), hostname).on('error', () => {});
    client.write('GET /api/v1/status HTTP/1.1\r\n');
    await once(client, 'connect');
    replica.cli.kill('SIGTERM');
    await replica.logged('service ends');
    replica.cli.kill('SIGTERM');
    expect((await replica.cli.ended).exitCode).to.equal(143);
    expect(replica.lines.map(({ message }) => message)).to.not.include('service ended');
    client.destroy();
  });

  it('exits with 70 at an error that nothing has handled, and another replica leads', async () => {
    const fault = `process.on('SIGUSR2', () => { throw new Error('planted') })`;
    const leader = start({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fault)}` });
    await leader.untilLeads();
    const follower = start();
    await follower.untilProbe('readyz', 200);
    leader.cli.kill('SIGUSR2');
    expect((await leader.cli.ended).exitCode).to.equal(70);
    expect(leader.lines.at(-1)).to.include({ level: 'error', message: 'internal error: the service ends' });
    await follower.untilLeads();
  });

  it('ends its controllers when it was suspended and another replica leads, and becomes a follower', async () => {
    const [leader, follower] = await startTwo();
    leader.cli.kill('SIGSTOP');
    await follower.untilLeads();
    leader.cli.kill('SIGCONT');
    await leader.logged('controllers end: the lease was lost');
    await leader.untilProbe('readyz', 200);
    expect([leader.leads, follower.leads]).to.deep.equal([false, true]);
  });

  it('is alive and not ready while the database is away, and leads again afterwards', async () => {
    const replica = start();
    await replica.untilLeads();
    await replica.untilProbe('readyz', 200);
    await database.crash();
    await replica.untilProbe('readyz', 503);
    await replica.logged('controllers end: the lease was lost');
    expect([await replica.probe('livez'), await replica.probe('startupz')]).to.deep.equal([200, 200]);
    await database.startAgain();
    await replica.untilProbe('readyz', 200);
    await replica.untilLeads();
  });

  it('is alive, leads and is not ready while the API server does not answer, and is ready again afterwards', async () => {
    const replica = start();
    await replica.untilLeads();
    await replica.untilProbe('readyz', 200);
    cluster.suspend();
    try {
      await replica.untilProbe('readyz', 503);
      expect([await replica.probe('livez'), await replica.probe('startupz')]).to.deep.equal([200, 200]);
      expect(replica.leads).to.equal(true);
    } finally {
      cluster.resume();
    }
    await replica.untilProbe('readyz', 200);
    expect(replica.cli.child.exitCode).to.equal(null);
  });

  it('starts while the database is away, and is started when it answers', async () => {
    await database.crash();
    const replica = start();
    await replica.logged('the database is not ready: retrying');
    expect([
      await replica.probe('livez'),
      await replica.probe('startupz'),
      await replica.probe('readyz'),
    ]).to.deep.equal([200, 503, 503]);
    await database.startAgain();
    await replica.untilProbe('startupz', 200);
    await replica.untilProbe('readyz', 200);
  });

  it('exits with 69 if the database does not answer in time', async () => {
    const replica = start({ KW_DATABASE_URL: 'postgres://x@127.0.0.1:1/x', KW_DATABASE_START_TIMEOUT_MS: '1' });
    const { exitCode, stderr } = await replica.cli.ended;
    expect(exitCode).to.equal(69);
    expect(stderr).to.contain('KW_ERR_REPOSITORY_UNAVAILABLE');
  });

  it('exits with 69 if another program does not apply a missing migration in time', async () => {
    // Another database of the server, which has no schema.
    const empty = database.url.replace(/postgres$/, 'template1');
    const replica = start({
      KW_DATABASE_URL: empty,
      KW_DATABASE_MIGRATE: 'false',
      KW_DATABASE_START_TIMEOUT_MS: '1',
    });
    const { exitCode, stderr } = await replica.cli.ended;
    expect(exitCode).to.equal(69);
    expect(stderr).to.contain('lacks the migration').and.to.contain('kubernetes-worker migrate');
  });

  it('exits with 75 if a port is in use, and names the keys', async () => {
    const first = start();
    const { port } = new URL(await first.url());
    const { exitCode, stderr } = await start({ KW_STATUS_PORT: port }).cli.ended;
    expect(exitCode).to.equal(75);
    expect(stderr).to.contain(`port ${port}: the port is in use`).and.to.contain('status.port');
  });

  it('applies the level of the log when its file changes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kw-serve-'));
    try {
      const file = join(folder, 'config.yaml');
      await writeFile(file, 'logging:\n  level: info\n');
      const replica = start({}, ['--config', file]);
      await replica.untilLeads();
      await writeFile(file, 'logging:\n  level: warn\n');
      await replica.logged('the configuration has changed');
      replica.cli.kill('SIGTERM');
      expect((await replica.cli.ended).exitCode).to.equal(0);
      expect(replica.lines.at(-1)).to.include({ message: 'the configuration has changed' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
