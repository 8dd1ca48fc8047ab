import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { patienceMs } from '../patience.ts';
import { runnableBinaries, type ServerUser, serverUser } from './postgres-binaries.ts';

const run = promisify(execFile);

/** The path of a socket, `/.s.PGSQL.5432` included, has at most 107 bytes. */
const longestSocketFolder = 80;

// The shell keeps the server running while it reads from this process. When this process ends, also
// by SIGKILL, the read ends and the shell stops the server. Without an order it also removes the
// folder. The order "kill" also kills the server's children: a connection's process would otherwise
// outlive the server and could answer once more.
const keeper = `
"$1/postgres" -D "$2/data" -k "$2" -F -c listen_addresses= -c full_page_writes=off \\
  -c shared_buffers=16MB -c max_connections=200 </dev/null >>"$2/log" 2>&1 &
server=$!
read -r order
case "$order" in
  kill) kill -KILL "$server" $(cat "/proc/$server/task/$server/children");;
  *) kill -INT "$server";;
esac
wait "$server"
test -n "$order" || rm -rf "$2"
`;

const environment = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/**
 * A PostgreSQL server for this process only. It has its own folder and a unix socket, and no port
 * that could conflict.
 */
export class PostgresServer {
  readonly url: string;
  readonly #folder: string;
  readonly #bin: string;
  readonly #user: ServerUser | undefined;
  #keeper: ChildProcess | undefined;

  private constructor(folder: string, bin: string, user: ServerUser | undefined) {
    this.#folder = folder;
    this.#bin = bin;
    this.#user = user;
    this.url = `postgres://postgres@${encodeURIComponent(folder)}/postgres`;
  }

  /**
   * Starts a server with an empty database. It stops, and its folder is removed, at the latest when
   * this process ends.
   *
   * @param guarded - roles that need their password; all others need none
   */
  static async start({ guarded = [] }: { readonly guarded?: readonly string[] } = {}): Promise<PostgresServer> {
    const user = await serverUser();
    const folder = await newFolder(user);
    try {
      const bin = await runnableBinaries(folder, user);
      const flags = [
        '--auth=trust',
        '--username=postgres',
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync',
        '--no-instructions',
      ];
      await run(join(bin, 'initdb'), ['-D', join(folder, 'data'), ...flags], {
        ...user,
        cwd: folder,
        env: environment,
      });
      // The first line that applies to a connection decides.
      const access = join(folder, 'data', 'pg_hba.conf');
      const lines = guarded.map((role) => `local all "${role}" scram-sha-256\n`);
      await writeFile(access, lines.join('') + (await readFile(access, 'utf8')));
      const server = new PostgresServer(folder, bin, user);
      await server.startAgain();
      return server;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Returns the URL for a role. */
  urlOf(role: string, password?: string): string {
    return this.url.replace('postgres@', `${role}${password === undefined ? '' : `:${password}`}@`);
  }

  /** Starts the server after `crash`, with the same data and the same address. */
  async startAgain(): Promise<void> {
    const child = spawn('/bin/sh', ['-c', keeper, 'keeper', this.#bin, this.#folder], {
      ...this.#user,
      cwd: this.#folder,
      env: environment,
      // Its own process group, so that Ctrl-C reaches only this process and not the keeper.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#keeper = child;
    child.stdin.on('error', () => {});
    child.unref();
    if (child.stdin instanceof Socket) child.stdin.unref();
    await this.#ready(child);
  }

  /** Kills the server, like a crash of the machine. */
  async crash(): Promise<void> {
    await this.#end('kill\n');
    await rm(join(this.#folder, 'data', 'postmaster.pid'), { force: true });
  }

  /** Kills the server and starts it again as a standby, which only answers questions. */
  async becomeStandby(): Promise<void> {
    await this.crash();
    await writeFile(join(this.#folder, 'data', 'standby.signal'), '');
    await this.startAgain();
  }

  /** Makes a standby a primary, which keeps its connections. */
  async promote(): Promise<void> {
    await run(join(this.#bin, 'pg_ctl'), ['promote', '-D', join(this.#folder, 'data'), '-w'], {
      ...this.#user,
      cwd: this.#folder,
      env: environment,
    });
  }

  /** Stops the server and removes its folder. */
  async stop(): Promise<void> {
    await this.#end('stop\n');
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #end(order: string): Promise<void> {
    const child = this.#keeper;
    this.#keeper = undefined;
    if (child === undefined) return;
    child.ref();
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    child.stdin?.end(order);
    await ended;
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while (Date.now() < deadline && child.exitCode === null) {
      // The last line is "ready" or "standby" once the server accepts connections.
      const state = await readFile(join(this.#folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '');
      if (/^(ready|standby)/.test(state.split('\n')[7] ?? '')) return;
      await sleep(15);
    }
    const log = await readFile(join(this.#folder, 'log'), 'utf8').catch(() => '');
    await this.#end('stop\n');
    throw new Error(`PostgreSQL did not start:\n${log.slice(-4_000)}`);
  }
}

async function newFolder(user: ServerUser | undefined): Promise<string> {
  // Another user may be unable to reach this user's temporary folder.
  const base = user === undefined && tmpdir().length < longestSocketFolder ? tmpdir() : '/tmp';
  const folder = await mkdtemp(join(base, 'kw-postgres-'));
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  return folder;
}
