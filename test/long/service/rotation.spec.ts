import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';
import pg from 'pg';

import { PostgresServer } from '../../support/database/postgres-server.ts';
import { EmbeddedProcess } from '../../support/embedded-process.ts';
import { ConfigFolder } from '../../support/service/config-folder.ts';
import { ServeProcess } from '../../support/service/serve-process.ts';
import { hasS3Server, Versitygw } from '../../support/stores/versitygw.ts';

describe('credentials that are replaced while kubernetes-worker serve runs', () => {
  let cluster: EmbeddedProcess;
  let database: PostgresServer;
  let admin: pg.Client;
  let folder: ConfigFolder;
  let replica: ServeProcess | undefined;
  let worker = 0;

  before(async () => {
    [cluster, database] = await Promise.all([
      EmbeddedProcess.start(),
      PostgresServer.start({ guarded: ['ci', 'next'] }),
    ]);
    admin = new pg.Client(database.url);
    await admin.connect();
    await admin.query('create role ci superuser login; create role next superuser login');
  });

  beforeEach(async () => {
    await admin.query(`alter role ci password 'planted-first'; alter role next password 'planted-next'`);
    folder = await ConfigFolder.create();
    worker += 1;
  });

  afterEach(async () => {
    replica?.cli.kill('SIGKILL');
    await replica?.cli.ended;
    await folder.remove();
  });

  after(async () => {
    await admin.end();
    await database.stop();
    await cluster.close();
  });

  function start(env: Readonly<Record<string, string>>): ServeProcess {
    replica = new ServeProcess({
      ...(env['KW_DATABASE_URL_FILE'] === undefined && { KW_DATABASE_URL: database.url }),
      KW_WORKER_KUBECONFIG: cluster.kubeconfigPath,
      KW_WORKER_NAMESPACE: 'default',
      KW_WORKER_NAME: `w${worker}`,
      ...env,
    });
    return replica;
  }

  /** Ends the connections of the replica at the server. */
  const disconnect = async (): Promise<void> => {
    await admin.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'kubernetes-worker'`,
    );
  };

  /** Verifies that the replica is the same process, and has logged no secret. */
  const expectUntouched = async ({ cli, lines }: ServeProcess): Promise<void> => {
    expect(lines.filter(({ message }) => message === 'service started')).to.have.length(1);
    cli.kill('SIGTERM');
    const { exitCode, stdout, stderr } = await cli.ended;
    expect(exitCode).to.equal(0);
    expect(stdout + stderr).to.not.contain('planted');
  };

  it('are a password of the database that is changed after its file, without a restart', async () => {
    const passwordFile = await folder.write('password', 'planted-first');
    const running = start({ KW_DATABASE_URL: database.urlOf('ci'), KW_DATABASE_PASSWORD_FILE: passwordFile });
    await running.untilLeads();
    await running.untilProbe('readyz', 200);
    await folder.write('password', 'planted-second\n');
    await admin.query(`alter role ci password 'planted-second'`);
    await disconnect();
    await running.logged('the URL of the database was replaced');
    await running.untilProbe('readyz', 200);
    await running.untilLeads();
    await expectUntouched(running);
  });

  it('are a password whose file comes later: the replica is not ready meanwhile', async () => {
    const passwordFile = await folder.write('password', 'planted-first');
    const running = start({ KW_DATABASE_URL: database.urlOf('ci'), KW_DATABASE_PASSWORD_FILE: passwordFile });
    await running.untilProbe('readyz', 200);
    await admin.query(`alter role ci password 'planted-second'`);
    await disconnect();
    await running.untilProbe('readyz', 503);
    await folder.write('password', 'planted-second\n');
    await running.untilProbe('readyz', 200);
    await expectUntouched(running);
  });

  it('are the whole URL of the database, with another role', async () => {
    const urlFile = await folder.write('url', database.urlOf('ci', 'planted-first'));
    const running = start({ KW_DATABASE_URL_FILE: urlFile });
    await running.untilProbe('readyz', 200);
    await folder.write('url', database.urlOf('next', 'planted-next'));
    await admin.query('alter role ci password null');
    await disconnect();
    await running.logged('the URL of the database was replaced');
    const roles = async (): Promise<string> => {
      const { rows } = await admin.query(
        `select distinct usename from pg_stat_activity where application_name = 'kubernetes-worker'`,
      );
      return rows.map(({ usename }) => usename).join();
    };
    while ((await roles()) !== 'next') await sleep(50);
    await running.untilProbe('readyz', 200);
    await expectUntouched(running);
  });

  it('are the keys of S3, once the server refuses the old ones', async function () {
    if (!(await hasS3Server())) return this.skip();
    const [first, second] = [1, 2].map((key) => ({
      accessKeyId: `AKID${key}`,
      secretAccessKey: `planted-secret-${key}`,
    })) as [Key, Key];
    await using server = await Versitygw.start({ key: first });
    const write = async ({ accessKeyId, secretAccessKey }: Key): Promise<readonly [string, string]> => [
      await folder.write('id', accessKeyId),
      await folder.write('secret', `${secretAccessKey}\n`),
    ];
    const [idFile, secretFile] = await write(first);
    const running = start({
      KW_STORES_S3_BUCKET: server.bucket,
      KW_STORES_S3_ENDPOINT: `http://127.0.0.1:${server.port}`,
      KW_STORES_S3_REGION: 'us-east-1',
      KW_STORES_S3_ACCESS_KEY_ID_FILE: idFile,
      KW_STORES_S3_SECRET_ACCESS_KEY_FILE: secretFile,
    });
    const untilStore = async (sign: '+' | '-'): Promise<void> => {
      while (!(await verbose(running)).includes(`[${sign}]store:s3`)) await sleep(100);
    };
    await untilStore('+');
    await server.restart(second);
    await untilStore('-');
    await write(second);
    await untilStore('+');
    await running.untilProbe('readyz', 200);
    await expectUntouched(running);
  });

  it('are the headers of OTLP, from the next export on', async () => {
    await using receiver = await Receiver.start();
    const headersFile = await folder.write('headers', 'Authorization: Bearer planted-first\n');
    const running = start({
      KW_TELEMETRY_OTLP_ENDPOINT: receiver.url,
      KW_TELEMETRY_OTLP_HEADERS_FILE: headersFile,
      KW_REGISTRAR_HEARTBEAT_EVERY_MS: '1000',
    });
    await receiver.until('Bearer planted-first');
    await folder.write('headers', 'Authorization: Bearer planted-second\n');
    await receiver.until('Bearer planted-second');
    receiver.authorizations.length = 0;
    await expectUntouched(running);
    // The last export, at the end of the process, has it as well.
    expect([...new Set(receiver.authorizations)]).to.deep.equal(['Bearer planted-second']);
  });
});

interface Key {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

async function verbose(running: ServeProcess): Promise<string> {
  return await (await fetch(`${await running.url()}/readyz?verbose`)).text();
}

/** A receiver of OTLP, which accepts everything. */
class Receiver implements AsyncDisposable {
  /** The headers of the requests until now. */
  readonly authorizations: (string | undefined)[] = [];
  readonly #server: Server;

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  private constructor() {
    this.#server = createServer((request: IncomingMessage, response) => {
      this.authorizations.push(request.headers.authorization);
      request.resume().on('end', () => response.end());
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when a request had this header. */
  async until(authorization: string): Promise<void> {
    while (!this.authorizations.includes(authorization)) await sleep(50);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
