import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const script = fileURLToPath(new URL('object_store_fuse.py', import.meta.url));

/** A folder with the rules of a file system over an object store. */
export interface FuseMount {
  readonly path: string;
  /** Stops the program behind the file system: each call of a program waits. */
  hang(): void;
  /** Ends `hang`. */
  continue(): void;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Returns why this machine cannot mount the file system; `undefined` if it can. */
export async function fuseProblem(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'it needs root';
  return await run('python3', ['-c', 'import mfusepy']).then(
    () => undefined,
    () => 'install libfuse2 (Debian) and mfusepy (PyPI)',
  );
}

export async function mountFuse(): Promise<FuseMount> {
  const folder = await mkdtemp(join(tmpdir(), 'kw-fuse-'));
  const [objects, path] = [join(folder, 'objects'), join(folder, 'mount')];
  await mkdir(objects);
  await mkdir(path);
  const { dev } = await stat(path);
  const server = spawn('python3', [script, objects, path], { stdio: 'ignore' });
  while ((await stat(path)).dev === dev) {
    if (server.exitCode !== null) throw new Error(`the file system ended with exit code ${server.exitCode}`);
    await sleep(50);
  }
  let closing: Promise<void> | undefined;
  return {
    path,
    hang: () => void server.kill('SIGSTOP'),
    continue: () => void server.kill('SIGCONT'),
    close: () => (closing ??= unmount(server, path, folder)),
  };
}

async function unmount(server: ChildProcess, path: string, folder: string): Promise<void> {
  const ended = server.exitCode === null ? once(server, 'exit') : undefined;
  await run('umount', ['-l', path]);
  // A pod that still uses it keeps a lazily unmounted file system alive.
  server.kill('SIGKILL');
  await ended;
  await rm(folder, { recursive: true, force: true });
}
