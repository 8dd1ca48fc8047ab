import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { patienceMs } from '../patience.ts';
import { type ServerUser, serverUser } from './postgres-binaries.ts';

const run = promisify(execFile);
const port = 6432;

// Like the keeper of a PostgresServer: stops PgBouncer and removes its folder when this process
// ends, however it ends.
const keeper = `
pgbouncer "$1/pgbouncer.ini" </dev/null >/dev/null 2>&1 &
bouncer=$!
read -r order
kill -KILL "$bouncer"
wait "$bouncer"
rm -rf "$1"
`;

/**
 * A PgBouncer in transaction mode in front of a PostgreSQL server, with default settings otherwise.
 * It has its own folder and listens on a unix socket.
 */
export class PgBouncer {
  readonly url: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.#child = child;
    this.url = `postgres://postgres@${encodeURIComponent(folder)}:${port}/postgres`;
  }

  /** Returns why PgBouncer cannot run on this machine, or `undefined` if it can. */
  static async missing(): Promise<string | undefined> {
    return await run('pgbouncer', ['--version'], { env: environment() }).then(
      () => undefined,
      (error: unknown) => `pgbouncer is not installed: ${error instanceof Error ? error.message : String(error)}`,
    );
  }

  /** Starts a PgBouncer in front of the server whose socket is in the folder of the URL. */
  static async start(serverUrl: string): Promise<PgBouncer> {
    const user = await serverUser();
    const folder = await newFolder(user);
    const host = decodeURIComponent(new URL(serverUrl).hostname);
    await writeFile(
      join(folder, 'pgbouncer.ini'),
      `[databases]
postgres = host=${host} port=5432 user=postgres
[pgbouncer]
listen_port = ${port}
unix_socket_dir = ${folder}
auth_type = any
pool_mode = transaction
logfile = ${join(folder, 'log')}
`,
    );
    const child = spawn('/bin/sh', ['-c', keeper, 'keeper', folder], {
      ...user,
      cwd: folder,
      env: environment(),
      // Its own process group, so that Ctrl-C reaches only this process and not the keeper.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const bouncer = new PgBouncer(folder, child);
    try {
      await bouncer.#ready();
      return bouncer;
    } catch (error) {
      const log = await readFile(join(folder, 'log'), 'utf8').catch(() => '');
      await bouncer.stop();
      throw new Error(`pgbouncer did not start:\n${log.slice(-4_000)}`, { cause: error });
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    child.stdin?.end();
    await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    const path = join(this.#folder, `.s.PGSQL.${port}`);
    for (const deadline = Date.now() + patienceMs; ; await sleep(15)) {
      const socket = createConnection(path);
      const connected = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      socket.destroy();
      if (connected) return;
      if (Date.now() > deadline) throw new Error('it accepts no connections');
    }
  }
}

function environment(): NodeJS.ProcessEnv {
  // Debian installs it in a folder that only root's PATH has.
  return { PATH: `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/usr/local/sbin` };
}

async function newFolder(user: ServerUser | undefined): Promise<string> {
  // Another user may be unable to reach this user's temporary folder, and the path of a socket has
  // at most 107 bytes.
  const base = user === undefined && tmpdir().length < 60 ? tmpdir() : '/tmp';
  const folder = await mkdtemp(join(base, 'kw-pgbouncer-'));
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  return folder;
}
