import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { installPackage, packPackage } from '../../../scripts/package/packed-package.ts';
import type { CliProgram } from './cli.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The package as users get it: packed, and installed with its production dependencies. */
export interface PackedBin extends AsyncDisposable {
  /** The program `node_modules/.bin/kubernetes-worker`, which finds its Node by itself. */
  readonly program: CliProgram;
}

/** Builds, packs and installs the package in a temporary folder. The types are checked elsewhere. */
export async function packedBin(): Promise<PackedBin> {
  const folder = await mkdtemp(join(tmpdir(), 'kw-packed-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const tree = join(folder, 'tree');
    for (const part of ['package.json', 'LICENSE', 'README.md', 'CONTRIBUTING.md', 'docs', 'examples', 'agent/bin'])
      await cp(join(root, part), join(tree, part), { recursive: true });
    const options = ['--noCheck', '--declaration', 'false', '--isolatedDeclarations', 'false', '--sourceMap', 'false'];
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', root, ...options, '--outDir', join(tree, 'dist')]);
    const project = join(folder, 'project');
    installPackage(packPackage(tree, folder), project);
    return { program: [join(project, 'node_modules/.bin/kubernetes-worker')], [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
