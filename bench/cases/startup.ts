// Measures how long a new process takes to import the library and to open a worker, and its memory.
// Opening connects to the database and not to a cluster. Needs `npm run build`:
//   npm run bench -- startup --set database=postgres://… --set checkout=../before
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchCase, BenchContext, Benchmark } from '../harness/benchmark.ts';
import { builtLibrary, type StartupOutcome, type StartupRequest, startup } from '../startup/startup-child.ts';

/** The highest acceptable time of an import on an idle machine. */
const goalMs = 250;

const thisCheckout = fileURLToPath(new URL('../../', import.meta.url));

const kubeconfig = {
  clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443' } }],
  users: [{ name: 'u', user: { token: 'secret' } }],
  contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  'current-context': 'c',
};

/** The same kubeconfig in YAML. */
const yaml = `# YAML\n${JSON.stringify(kubeconfig)}\n`;

interface Libraries {
  readonly ours: string;
  /** The library of the other checkout, if one is set. */
  readonly peer: string | undefined;
}

export const benchmark: Benchmark = {
  settings: {
    checkout: { value: '', meaning: 'the folder of another checkout, built, to compare with' },
    database: { value: '', meaning: 'the URL of a PostgreSQL database; without it, only PGlite is measured' },
  },
  open: async ({ signal, setting, log }) => {
    const checkout = setting('checkout');
    const url = setting('database');
    const libraries = {
      ours: builtLibrary(thisCheckout),
      peer: checkout === '' ? undefined : builtLibrary(checkout),
    };
    await using opened = new AsyncStack();
    const folder = opened.use(await mkdtemp(join(tmpdir(), 'kw-startup-')), (path) => rm(path, { recursive: true }));
    const files = { json: join(folder, 'kubeconfig.json'), yaml: join(folder, 'kubeconfig.yaml') };
    await writeFile(files.json, JSON.stringify(kubeconfig));
    await writeFile(files.yaml, yaml);
    const onPglite = { kubeconfig: files.json, folder: join(folder, 'pglite') };
    const onPostgres = { kubeconfig: files.json, url };
    // Migrates the databases, so that the cases measure what every later process does.
    await startup(libraries.ours, onPglite, { signal });
    if (url === '') log('database is not set: PostgreSQL is not measured');
    else await startup(libraries.ours, onPostgres, { signal });
    const kept = opened.keep();
    return {
      cases: [
        ...timeCases(libraries, 'import', {}),
        ...timeCases(libraries, 'import and open on PGlite', onPglite),
        ...timeCases(libraries, 'import and open on PGlite, kubeconfig in YAML', {
          ...onPglite,
          kubeconfig: files.yaml,
        }),
        ...(url === '' ? [] : timeCases(libraries, 'import and open on PostgreSQL', onPostgres)),
        memoryCase(libraries, 'memory after the import', {}),
        ...(url === '' ? [] : [memoryCase(libraries, 'memory after open on PostgreSQL', onPostgres)]),
      ],
      [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
    };
  },
};

function timeCases(libraries: Libraries, name: string, request: StartupRequest): readonly BenchCase[] {
  const goal = name === 'import' && libraries.peer === undefined ? { goal: goalMs } : {};
  return [
    { ...caseOf(libraries, request, ({ opened }) => opened.ms), ...goal, name, unit: 'ms' },
    {
      ...caseOf(libraries, request, ({ opened }) => opened.processorMs),
      name: `${name}: processor time`,
      unit: 'ms',
    },
  ];
}

function memoryCase(libraries: Libraries, name: string, request: StartupRequest): BenchCase {
  return { ...caseOf(libraries, request, ({ opened }) => opened.mebibytes), name, unit: 'MiB' };
}

function caseOf(
  { ours, peer }: Libraries,
  request: StartupRequest,
  figure: (outcome: StartupOutcome) => number,
): Pick<BenchCase, 'better' | 'pairs' | 'ours' | 'peer'> {
  const measured =
    (library: string) =>
    async ({ signal }: BenchContext): Promise<number> =>
      figure(await startup(library, request, { signal }));
  return {
    better: 'lower',
    pairs: 7,
    ours: measured(ours),
    ...(peer === undefined ? {} : { peer: measured(peer) }),
  };
}
