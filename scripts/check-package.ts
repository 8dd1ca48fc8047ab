// Packs the package, checks its types, installs the tarball into an empty project, and uses its
// entries there: by import, by require, and by types. Expects a build in `dist`.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { installPackage, packPackage } from './package/packed-package.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const files: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({ name: 'consumer', private: true }),
  'esm.mjs': `
    import { PGlite } from '@electric-sql/pglite';
    import * as library from 'kubernetes-worker';
    import { EmbeddedCluster } from 'kubernetes-worker/embedded';
    import { FakeWorker } from 'kubernetes-worker/fakes';
    if (new FakeWorker({ name: 'w' }).name !== 'w') throw new Error('no FakeWorker');
    if (!library.isKubernetesWorkerError(new library.ClosedError('x'))) throw new Error('no errors');

    const cluster = await EmbeddedCluster.start();
    try {
      const options = { name: 'consumer', kubeConfig: cluster.kubeconfigPath, database: new PGlite() };
      await using worker = await library.KubernetesWorker.open(options);
      const owner = { kind: 'check', key: '1' };
      const { container } = await worker.findOrCreateContainer(owner, { image: 'busybox' });
      const command = await container.run({ path: 'sh', args: ['-c', 'exit 3'] }, {});
      const { exitStatus } = await command.wait();
      if (exitStatus !== 3) throw new Error('the command ended with ' + exitStatus);
      await worker.ownerFinished(owner);
      await worker.reap();
    } finally {
      await cluster.close();
    }
  `,
  'common.cjs': `
    const { KubernetesWorker } = require('kubernetes-worker');
    const { EmbeddedCluster } = require('kubernetes-worker/embedded');
    const { FakeContainer } = require('kubernetes-worker/fakes');
    for (const value of [KubernetesWorker, EmbeddedCluster, FakeContainer])
      if (typeof value !== 'function') throw new Error('an entry lacks its class');
  `,
  'types.ts': `
    import { type ErrorCode, KubernetesWorker, type Worker } from 'kubernetes-worker';
    import { EmbeddedCluster } from 'kubernetes-worker/embedded';
    import { FakeWorker } from 'kubernetes-worker/fakes';
    export const fake: Worker = new FakeWorker({ name: 'w' });
    export const code: ErrorCode = 'KW_ERR_CLOSED';
    // @ts-expect-error - not a code
    export const wrong: ErrorCode = 'KW_ERR_NONE';
    export const classes = [KubernetesWorker, EmbeddedCluster];
  `,
  'tsconfig.json': JSON.stringify({
    compilerOptions: { module: 'nodenext', target: 'es2022', strict: true, noEmit: true, types: ['node'] },
    files: ['types.ts'],
  }),
};

function run(command: string, args: readonly string[], cwd: string): void {
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`failed: ${command} ${args.join(' ')}`);
}

const tool = (name: string): string => join(root, 'node_modules/.bin', name);

/**
 * Compiles a consumer without `skipLibCheck`: the declarations of every dependency must resolve.
 */
function checkTypes(project: string): void {
  const { status, stdout } = spawnSync(tool('tsc'), ['-p', '.', '--pretty', 'false'], {
    cwd: project,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`types: ${stdout}`);
}

/** Checks that every relative link of the packed documents leads to a file of the package. */
function checkLinks(installed: string): void {
  const documents = [
    'README.md',
    'CONTRIBUTING.md',
    ...readdirSync(join(installed, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
  ];
  const dead = documents
    .filter((document) => document.endsWith('.md'))
    .flatMap((document) => {
      const links = readFileSync(join(installed, document), 'utf8').matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g);
      return [...links].map(([, target = '']) => ({ document, target }));
    })
    .filter(({ document, target }) => !existsSync(join(installed, dirname(document), target)))
    .map(({ document, target }) => `${document}: ${target}`);
  if (dead.length > 0) throw new Error(`dead links: ${dead.join(', ')}`);
}

/** Checks that the package contains every document that an error or a declaration refers to. */
function checkReferences(installed: string): void {
  const sources = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(js|d\.ts)$/.test(name),
  );
  const texts = sources.map((name) => readFileSync(join(installed, 'dist', name), 'utf8'));
  const named = new Set(
    texts.flatMap((text) => [...text.matchAll(/\bdocs\/[a-z-]+\.md/g)].map(([document]) => document)),
  );
  const missing = [...named].filter((document) => !existsSync(join(installed, document)));
  if (missing.length > 0) throw new Error(`documents that are not in the package: ${missing.join(', ')}`);
}

function checkPackage(folder: string): void {
  const tarball = packPackage(root, folder);
  console.log(`${basename(tarball)}: ${String(statSync(tarball).size)} bytes`);
  run(tool('attw'), [tarball, '--profile', 'esm-only', '--quiet'], folder);
  console.log('types as consumers resolve them: ok');

  const project = join(folder, 'consumer');
  mkdirSync(project);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
  installPackage(tarball, project);
  // The packages that a host with fakes, types and PGlite installs itself.
  for (const name of [
    '@electric-sql/pglite',
    'sinon',
    '@types/sinon',
    '@types/node',
    '@types/sinonjs__fake-timers',
    '@sinonjs',
    'undici-types',
  ]) {
    const target = join(project, 'node_modules', name);
    mkdirSync(join(target, '..'), { recursive: true });
    rmSync(target, { recursive: true, force: true });
    symlinkSync(join(root, 'node_modules', name), target);
  }

  run(process.execPath, ['esm.mjs'], project);
  console.log('import, and a command in the embedded cluster: ok');
  run(process.execPath, ['common.cjs'], project);
  console.log('require: ok');
  checkTypes(project);
  console.log('types, without skipLibCheck: ok');
  const installed = join(project, 'node_modules/kubernetes-worker');
  checkLinks(installed);
  checkReferences(installed);
  console.log('links and references to documents: ok');
}

const folder = mkdtempSync(join(tmpdir(), 'kubernetes-worker-package-'));
try {
  checkPackage(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
