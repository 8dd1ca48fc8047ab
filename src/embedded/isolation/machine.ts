import { accessSync, constants, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { FileLister } from './root-plan.ts';

/**
 * The programs of this machine that the runtimes use, as absolute paths; `undefined` for a program
 * that is not installed.
 */
export interface MachineTools {
  readonly sh: string;
  readonly env: string;
  readonly nice: string;
  readonly unshare: string | undefined;
  readonly nsenter: string | undefined;
  readonly mount: string | undefined;
  readonly chroot: string | undefined;
  readonly script: string | undefined;
  readonly stty: string | undefined;
}

const systemDirectories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Searches for the tools in a PATH and in the system's directories. */
export function findTools(path: string): MachineTools {
  const directories = [...path.split(delimiter).filter((directory) => directory.startsWith('/')), ...systemDirectories];
  const find = (name: string) => directories.map((directory) => join(directory, name)).find(isExecutable);
  return {
    sh: '/bin/sh',
    env: find('env') ?? '/usr/bin/env',
    nice: find('nice') ?? '/usr/bin/nice',
    unshare: find('unshare'),
    nsenter: find('nsenter'),
    mount: find('mount'),
    chroot: find('chroot'),
    script: find('script'),
    stty: find('stty'),
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The machine's file system, for planning a root. A directory that cannot be read counts as empty.
 */
export const machineFiles: FileLister = {
  kind(path) {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    if (stats.isDirectory()) return 'directory';
    if (stats.isSymbolicLink()) return 'symlink';
    return stats.isFile() ? 'file' : 'other';
  },
  list(path) {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  },
  readLink: (path) => readlinkSync(path),
};
