import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { createCertificates } from '../../../src/embedded/server/certificates.ts';
import type { S3StoreOptions } from '../../../src/runtime/s3-store-options.ts';
import { freePort } from '../free-port.ts';
import { patienceMs } from '../patience.ts';

const run = promisify(execFile);
const build = fileURLToPath(new URL('../../../hack/tools/build', import.meta.url));

/** The key of the server's root account. */
export interface ServerKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface VersitygwOptions {
  /** Whether the server accepts TLS only. @defaultValue false */
  readonly isTls?: boolean;
  /** @defaultValue `AKIDTEST`, with a secret */
  readonly key?: ServerKey;
}

const defaultKey: ServerKey = { accessKeyId: 'AKIDTEST', secretAccessKey: 'a-secret-of-the-tests' };

/** Returns the path of the server, which may have to be built, or the reason why there is none. */
async function versitygwProgram(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const hasGo = await run('go', ['version']).then(
    () => true,
    () => false,
  );
  if (!hasGo) return { missing: 'go is not installed, which builds the S3 server' };
  const { stdout } = await run(build, ['versitygw']);
  return { path: stdout.trim() };
}

/**
 * Whether the S3 suites run: prints why not. Throws in CI, where they have to run.
 */
export async function hasS3Server(): Promise<boolean> {
  const program = await versitygwProgram();
  if ('path' in program) return true;
  if (process.env['CI'] === 'true') throw new Error(program.missing);
  console.log(`      skipped: ${program.missing}`);
  return false;
}

/** An S3 server of this machine on a temporary folder, with a bucket. */
export class Versitygw {
  readonly bucket = 'bucket';
  readonly port: number;
  readonly folder: string;
  readonly authority: string | undefined;
  #key: ServerKey;
  #process: ChildProcess | undefined;

  private constructor(folder: string, port: number, key: ServerKey, authority: string | undefined) {
    this.folder = folder;
    this.port = port;
    this.#key = key;
    this.authority = authority;
  }

  static async start({ isTls = false, key = defaultKey }: VersitygwOptions = {}): Promise<Versitygw> {
    const folder = await mkdtemp(join(tmpdir(), 'kw-versitygw-'));
    await mkdir(join(folder, 'data', 'bucket'), { recursive: true });
    const certificates = isTls ? createCertificates(new Date()) : undefined;
    if (certificates !== undefined) {
      await writeFile(join(folder, 'cert'), certificates.server.certificate);
      await writeFile(join(folder, 'key'), certificates.server.privateKey, { mode: 0o600 });
    }
    const server = new Versitygw(folder, await freePort(), key, certificates?.authority);
    await server.#start();
    return server;
  }

  /** The folder with the objects of the bucket. */
  get objects(): string {
    return join(this.folder, 'data', this.bucket);
  }

  /** Returns the options of a store on this server, or on a proxy before it. */
  options(more: Partial<S3StoreOptions> = {}, port: number = this.port): S3StoreOptions {
    const scheme = this.authority === undefined ? 'http' : 'https';
    return {
      bucket: this.bucket,
      endpoint: `${scheme}://127.0.0.1:${port}`,
      // A copy: a client of the SDK adds members to it.
      credentials: { ...this.#key },
      ...(this.authority === undefined ? {} : { ca: this.authority }),
      ...more,
    };
  }

  /** Starts the server again, with another key of the root account. The objects stay. */
  async restart(key: ServerKey = this.#key): Promise<void> {
    await this.#stop();
    this.#key = key;
    await this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    await rm(this.folder, { recursive: true });
  }

  async #start(): Promise<void> {
    const program = await versitygwProgram();
    if ('missing' in program) throw new Error(program.missing);
    const tls =
      this.authority === undefined ? [] : ['--cert', join(this.folder, 'cert'), '--key', join(this.folder, 'key')];
    const options = ['--port', `127.0.0.1:${this.port}`, '--quiet', '--keep-alive', ...tls];
    const child = spawn(program.path, [...options, 'posix', join(this.folder, 'data')], {
      env: { ROOT_ACCESS_KEY: this.#key.accessKeyId, ROOT_SECRET_KEY: this.#key.secretAccessKey },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (text) => (errors += String(text)));
    this.#process = child;
    for (const end = Date.now() + patienceMs; !(await listens(this.port)); ) {
      if (child.exitCode !== null || Date.now() > end) throw new Error(`versitygw did not start: ${errors}`);
      await delay(25);
    }
  }

  async #stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
