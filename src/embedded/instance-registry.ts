import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { sleep } from '../internal/system-clock.ts';
import { createDirectory } from './create-directory.ts';
import { EmbeddedClusterError } from './errors.ts';
import { findMarked, isAlive, killProcess, type ProcessIdentity, readProcess } from './isolation/processes.ts';
import { instanceMarker } from './markers.ts';
import { isRecord } from './objects/api-object.ts';
import type { EmbeddedLogger } from './options.ts';
import { removeTree } from './remove-tree.ts';

/** The entries that a cluster creates in its directory. */
const contentNames = ['pods', 'claims', 'probe', 'kubeconfig'];
const killRounds = 200;
const killPauseMs = 10;
const unfinishedAgeMs = 60_000;

interface InstanceRecord extends ProcessIdentity {
  readonly boot: string;
  readonly directory: string;
  /** Whether `release()` removes the directory itself. */
  readonly ownsDirectory: boolean;
}

/** A registered instance. A later start cleans up after it if its host is killed. */
export interface Instance {
  readonly id: string;
  readonly directory: string;
  /** Records a process that may hide its marker. */
  recordProcess(pid: number): void;
  /**
   * Kills the instance's remaining processes, removes its directories and unregisters the instance.
   * @throws EmbeddedClusterError `KW_ERR_EMBEDDED_NOT_REMOVED` if a directory cannot be removed;
   * the instance stays registered for the next start
   */
  release(): Promise<void>;
}

/**
 * Registers a new instance, after it has cleaned up after instances whose owner process no longer
 * runs. The registry is a directory for each user below the temporary directory. Logs a warning for
 * what cannot be removed; the next start retries the removal.
 * @throws EmbeddedClusterError `KW_ERR_EMBEDDED_UNSAFE_DIRECTORY` if another user owns the
 * registry's directory
 */
export async function registerInstance(directory: string | undefined, logger: EmbeddedLogger): Promise<Instance> {
  const base = await openBase();
  await cleanUpDead(base, logger);
  const id = randomBytes(8).toString('hex');
  const place = join(base, id);
  const work = directory === undefined ? join(place, 'work') : resolve(directory);
  await mkdir(`${place}.new`, { mode: 0o711 });
  const ownsDirectory = directory === undefined || (await createDirectory(work));
  const record = {
    ...ownIdentity(),
    boot: await bootId(),
    directory: work,
    ownsDirectory,
  } satisfies InstanceRecord;
  await writeFile(join(`${place}.new`, 'owner.json'), JSON.stringify(record), { mode: 0o600 });
  await rename(`${place}.new`, place);
  await createDirectory(work);
  return {
    id,
    directory: work,
    recordProcess: (pid) => recordProcess(place, pid),
    release: () => release(place, id, record),
  };
}

function recordProcess(place: string, pid: number): void {
  const startTime = readProcess(pid)?.startTime;
  if (startTime !== undefined) appendFileSync(join(place, 'processes'), `${pid} ${startTime}\n`);
}

async function recordedProcesses(place: string): Promise<ProcessIdentity[]> {
  const text = await readFile(join(place, 'processes'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [pid = 0, startTime = 0] = line.split(' ').map(Number);
      return { pid, startTime };
    });
}

function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTime: readProcess(process.pid)?.startTime ?? 0 };
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

async function openBase(): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  const base = join(tmpdir(), `kubernetes-worker-embedded-${uid}`);
  await createDirectory(base);
  const stats = await lstat(base);
  if (stats.isDirectory() && stats.uid === uid) return base;
  throw new EmbeddedClusterError('KW_ERR_EMBEDDED_UNSAFE_DIRECTORY', `${base} is not a directory that this user owns`);
}

async function cleanUpDead(base: string, logger: EmbeddedLogger): Promise<void> {
  const boot = await bootId();
  for (const name of await readdir(base)) {
    try {
      await cleanUpIfDead(join(base, name), name, boot);
    } catch (error) {
      logger.warn(`cleaning up after an earlier cluster failed; the next start retries it: ${describe(error)}`);
    }
  }
}

async function cleanUpIfDead(place: string, name: string, boot: string): Promise<void> {
  const record = await readRecord(join(place, 'owner.json'));
  if (record === undefined || name.endsWith('.new')) {
    const age = await stat(place).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > unfinishedAgeMs) await removeTree(place);
  } else if (record.boot !== boot || !isAlive(record)) await release(place, name, record);
}

async function readRecord(path: string): Promise<InstanceRecord | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!isRecord(value)) return undefined;
    const { pid, startTime, boot, directory, ownsDirectory } = value;
    if (
      typeof pid !== 'number' ||
      typeof startTime !== 'number' ||
      typeof boot !== 'string' ||
      typeof directory !== 'string'
    )
      return undefined;
    return { pid, startTime, boot, directory, ownsDirectory: ownsDirectory === true };
  } catch {
    return undefined;
  }
}

async function release(place: string, id: string, record: InstanceRecord): Promise<void> {
  await killInstance(id, await recordedProcesses(place));
  const paths = record.ownsDirectory
    ? [record.directory]
    : contentNames.map((content) => join(record.directory, content));
  for (const path of paths) await removeOrThrow(path);
  // Without this file, a later start does not release the instance again.
  await rm(join(place, 'owner.json'), { force: true });
  await removeOrThrow(place);
}

async function removeOrThrow(path: string): Promise<void> {
  try {
    await removeTree(path);
  } catch (error) {
    throw new EmbeddedClusterError('KW_ERR_EMBEDDED_NOT_REMOVED', `${path} cannot be removed: ${describe(error)}`, {
      cause: error,
    });
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Kills every process with the instance's marker, and the descendants, until none is left. */
async function killInstance(id: string, recorded: readonly ProcessIdentity[]): Promise<void> {
  for (let round = 0; round < killRounds; round += 1) {
    const left = findMarked(instanceMarker, id, recorded);
    if (left.length === 0) return;
    left.forEach(killProcess);
    await sleep(killPauseMs);
  }
}
