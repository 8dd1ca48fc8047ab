/**
 * The tar programs that archives are exchanged with: their arguments, and the facts that their
 * formats keep.
 */
import { spawn, spawnSync } from 'node:child_process';
import { buffer } from 'node:stream/consumers';

/** The facts that are lost; the agent itself loses none. */
export interface Losses {
  /** Times in whole seconds. */
  readonly nanoseconds?: boolean;
  /** Times before 1970, or after 2242. */
  readonly farTimes?: boolean;
  /** Times of symbolic links. */
  readonly linkTimes?: boolean;
  /** Times of folders with content. */
  readonly folderTimes?: boolean;
  /** Folders that only root may write to. */
  readonly readOnlyFolders?: boolean;
  /** Names of more than 100 bytes. */
  readonly longNames?: boolean;
  /** Names that are not UTF-8. */
  readonly binaryNames?: boolean;
}

export interface Program {
  readonly name: string;
  readonly command: string;
  /** Its arguments; FOLDER stands for the folder. */
  readonly arguments: readonly string[];
  readonly losses: Losses;
}

export const FOLDER = '{folder}';

const PYTHON_WRITE = `
import sys, tarfile
form = getattr(tarfile, sys.argv[2])
names = {'encoding': 'utf-8', 'errors': 'surrogateescape'}
with tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=form, **names) as archive:
    archive.add(sys.argv[1], arcname='.')`;
const PYTHON_READ = `
import sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode='r|', encoding='utf-8', errors='surrogateescape') as archive:
    archive.extraction_filter = staticmethod(lambda member, path: member)
    archive.extractall(sys.argv[1])`;

const OLD: Losses = { nanoseconds: true, farTimes: true, longNames: true };

const gnuWrites = (name: string, format: string, losses: Losses, ...more: string[]): Program => ({
  name: `GNU tar, ${name}`,
  command: 'tar',
  arguments: ['-C', FOLDER, `--format=${format}`, ...more, '-cf', '-', '.'],
  losses,
});
const bsdWrites = (format: string, losses: Losses): Program => ({
  name: `bsdtar, ${format}`,
  command: 'bsdtar',
  arguments: ['-C', FOLDER, `--format=${format}`, '-cf', '-', '.'],
  losses: { binaryNames: true, ...losses },
});
const pythonWrites = (format: string, losses: Losses): Program => ({
  name: `Python's tarfile, ${format}`,
  command: 'python3',
  arguments: ['-c', PYTHON_WRITE, FOLDER, format],
  losses: { nanoseconds: true, ...losses },
});

export const writers: readonly Program[] = [
  gnuWrites('v7', 'v7', OLD),
  gnuWrites('ustar', 'ustar', OLD),
  gnuWrites('oldgnu', 'oldgnu', { nanoseconds: true }),
  gnuWrites('gnu', 'gnu', { nanoseconds: true }),
  gnuWrites('pax', 'pax', {}),
  gnuWrites('gnu with sparse files', 'gnu', { nanoseconds: true }, '-S'),
  gnuWrites('pax with sparse files 0.0', 'pax', {}, '-S', '--sparse-version=0.0'),
  gnuWrites('pax with sparse files 0.1', 'pax', {}, '-S', '--sparse-version=0.1'),
  gnuWrites('pax with sparse files 1.0', 'pax', {}, '-S', '--sparse-version=1.0'),
  gnuWrites('pax in records of 1 MiB', 'pax', {}, '-b', '2048'),
  bsdWrites('v7', OLD),
  bsdWrites('ustar', OLD),
  bsdWrites('gnutar', { nanoseconds: true, farTimes: true }),
  bsdWrites('pax', {}),
  {
    name: 'busybox',
    command: 'busybox',
    arguments: ['tar', '-C', FOLDER, '-cf', '-', '.'],
    losses: { nanoseconds: true, farTimes: true },
  },
  pythonWrites('USTAR_FORMAT', OLD),
  pythonWrites('GNU_FORMAT', {}),
  pythonWrites('PAX_FORMAT', {}),
];

export const readers: readonly Program[] = [
  { name: 'GNU tar', command: 'tar', arguments: ['-C', FOLDER, '--delay-directory-restore', '-xpf', '-'], losses: {} },
  { name: 'bsdtar', command: 'bsdtar', arguments: ['-C', FOLDER, '-xpf', '-'], losses: { farTimes: true } },
  {
    name: 'busybox',
    command: 'busybox',
    arguments: ['tar', '-C', FOLDER, '-xpf', '-'],
    losses: {
      nanoseconds: true,
      farTimes: true,
      linkTimes: true,
      folderTimes: true,
      readOnlyFolders: process.getuid?.() !== 0,
    },
  },
  {
    name: "Python's tarfile",
    command: 'python3',
    arguments: ['-c', PYTHON_READ, FOLDER],
    losses: { nanoseconds: true, linkTimes: true },
  },
];

export function isInstalled({ command }: Program): boolean {
  return spawnSync(command, ['--help'], { stdio: 'ignore' }).error === undefined;
}

/** Returns the output of the program for `input`; rejects with its stderr if it fails. */
export async function run(program: Program, folder: string, input: Buffer = Buffer.alloc(0)): Promise<Buffer> {
  const words = program.arguments.map((word) => (word === FOLDER ? folder : word));
  const child = spawn(program.command, words, {
    env: { ...process.env, LC_ALL: 'C.UTF-8', TAR_OPTIONS: '' },
    stdio: 'pipe',
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [output, complaint, status] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended]);
  if (status !== 0) throw new Error(`${program.name} failed with ${String(status)}: ${complaint.toString()}`);
  return output;
}
