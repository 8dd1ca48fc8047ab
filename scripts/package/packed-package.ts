import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Packs the package in a folder, which has a build in `dist`. Returns the path of the tarball. */
export function packPackage(root: string, folder: string): string {
  npm(['pack', '--ignore-scripts', `--pack-destination=${folder}`], root);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm pack created no tarball');
  return join(folder, tarball);
}

/** Installs a tarball with its production dependencies into a project, which is made if it does not exist. */
export function installPackage(tarball: string, project: string): void {
  mkdirSync(project, { recursive: true });
  npm(['install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', tarball], project);
}

function npm(args: readonly string[], cwd: string): void {
  execFileSync('npm', ['--silent', ...args], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}
