import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const build = fileURLToPath(new URL('../../hack/tools/build', import.meta.url));

/** An S3 server of this machine, with one empty bucket. */
export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly bucket: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Starts versitygw on a temporary folder. Builds it if it is not built yet, which needs Go. */
export async function startS3Server(): Promise<S3Server> {
  const { stdout } = await promisify(execFile)(build, ['versitygw']);
  const folder = await mkdtemp(join(tmpdir(), 'kw-bench-s3-'));
  const bucket = 'bucket';
  await mkdir(join(folder, bucket));
  const credentials = { accessKeyId: 'bench', secretAccessKey: 'a-secret-of-the-benchmark' };
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(stdout.trim(), ['--port', address, '--quiet', '--keep-alive', 'posix', folder], {
    env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    stdio: ['ignore', 'ignore', 'inherit'],
    // A signal to the process group would end the server before the hosts that use it.
    detached: true,
  });
  const exited = once(child, 'exit');
  const endpoint = `http://${address}`;
  while (!(await answers(endpoint))) {
    if (child.exitCode !== null) throw new Error('versitygw did not start');
    await sleep(25);
  }
  return {
    endpoint,
    bucket,
    credentials,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

async function answers(endpoint: string): Promise<boolean> {
  return await fetch(endpoint).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
