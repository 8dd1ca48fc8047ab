// Measures how long a new process takes to import the library and to open a worker, its memory, and
// how long the command line takes to print its help. Opening connects to the database and not to a
// cluster. Needs `npm run build`:
//   npm run bench -- startup --set database=postgres://… --set checkout=../before
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchCase, BenchContext, Benchmark } from '../harness/benchmark.ts';
import {
  builtLibrary,
  builtProgram,
  processMs,
  type StartupOutcome,
  type StartupRequest,
  startup,
} from '../startup/startup-child.ts';

/** The highest acceptable time of an import on an idle machine. */
const goalMs = 250;
/** The highest acceptable time of `--help` there. */
const helpGoalMs = 150;

const thisCheckout = fileURLToPath(new URL('../../', import.meta.url));

const kubeconfig = {
  clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443' } }],
  users: [{ name: 'u', user: { token: 'secret' } }],
  contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  'current-context': 'c',
};

/** The same kubeconfig in YAML. */
const yaml = `# YAML\n${JSON.stringify(kubeconfig)}\n`;

/** A built library, and databases of its own: each version migrates them to its schema. */
interface Side {
  readonly library: string;
  /** The path of the command line. */
  readonly program: string;
  readonly pgliteFolder: string;
  /** Undefined: PostgreSQL is not measured. */
  readonly url: string | undefined;
}

interface Sides {
  readonly ours: Side;
  /** The side of the other checkout, if one is set. */
  readonly peer: Side | undefined;
}

type RequestOf = (side: Side) => StartupRequest;

export const benchmark: Benchmark = {
  settings: {
    checkout: { value: '', meaning: 'the folder of another checkout, built, to compare with' },
    database: { value: '', meaning: 'the URL of a PostgreSQL database; without it, only PGlite is measured' },
    'peer-database': { value: '', meaning: "the URL of the other checkout's database" },
  },
  open: async ({ signal, setting, log }) => {
    await using opened = new AsyncStack();
    const folder = opened.use(await mkdtemp(join(tmpdir(), 'kw-startup-')), (path) => rm(path, { recursive: true }));
    const sideOf = (name: string, checkout: string, url: string): Side => ({
      library: builtLibrary(checkout),
      program: builtProgram(checkout),
      pgliteFolder: join(folder, name),
      url: url === '' ? undefined : url,
    });
    const checkout = setting('checkout');
    const sides = {
      ours: sideOf('ours', thisCheckout, setting('database')),
      peer: checkout === '' ? undefined : sideOf('peer', checkout, setting('peer-database')),
    };
    const files = { json: join(folder, 'kubeconfig.json'), yaml: join(folder, 'kubeconfig.yaml') };
    await writeFile(files.json, JSON.stringify(kubeconfig));
    await writeFile(files.yaml, yaml);
    const onPglite = ({ pgliteFolder }: Side): StartupRequest => ({ kubeconfig: files.json, folder: pgliteFolder });
    const onPostgres = ({ url = '' }: Side): StartupRequest => ({ kubeconfig: files.json, url });
    // Migrates the databases, so that the cases measure what every later process does.
    for (const side of [sides.ours, sides.peer]) {
      if (side === undefined) continue;
      await startup(side.library, onPglite(side), { signal });
      if (side.url !== undefined) await startup(side.library, onPostgres(side), { signal });
    }
    const hasPostgres = sides.ours.url !== undefined;
    if (!hasPostgres) log('database is not set: PostgreSQL is not measured');
    const kept = opened.keep();
    return {
      cases: [
        ...timeCases(sides, 'import', () => ({})),
        ...timeCases(sides, 'import and open on PGlite', onPglite),
        ...timeCases(sides, 'import and open on PGlite, kubeconfig in YAML', (side) => ({
          ...onPglite(side),
          kubeconfig: files.yaml,
        })),
        ...(hasPostgres ? timeCases(sides, 'import and open on PostgreSQL', onPostgres) : []),
        ...helpCases(sides),
        memoryCase(sides, 'memory after the import', () => ({})),
        ...(hasPostgres ? [memoryCase(sides, 'memory after open on PostgreSQL', onPostgres)] : []),
      ],
      [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
    };
  },
};

function timeCases(sides: Sides, name: string, requestOf: RequestOf): readonly BenchCase[] {
  const goal = name === 'import' && sides.peer === undefined ? { goal: goalMs } : {};
  return [
    { ...caseOf(sides, requestOf, ({ opened }) => opened.ms), ...goal, name, unit: 'ms' },
    {
      ...caseOf(sides, requestOf, ({ opened }) => opened.processorMs),
      name: `${name}: processor time`,
      unit: 'ms',
    },
  ];
}

/** The help of the command line, and what an empty program of Node costs. */
function helpCases({ ours, peer }: Sides): readonly BenchCase[] {
  const help =
    ({ program }: Side) =>
    async ({ signal }: BenchContext): Promise<number> =>
      await processMs([program, '--help'], { signal });
  const shared = { unit: 'ms', better: 'lower', pairs: 15 } as const;
  return [
    {
      ...shared,
      name: 'kubernetes-worker --help',
      ours: help(ours),
      ...(peer === undefined ? { goal: helpGoalMs } : { peer: help(peer) }),
    },
    { ...shared, name: 'node -e 0', ours: async ({ signal }) => await processMs(['-e', '0'], { signal }) },
  ];
}

function memoryCase(sides: Sides, name: string, requestOf: RequestOf): BenchCase {
  return { ...caseOf(sides, requestOf, ({ opened }) => opened.mebibytes), name, unit: 'MiB' };
}

function caseOf(
  { ours, peer }: Sides,
  requestOf: RequestOf,
  figure: (outcome: StartupOutcome) => number,
): Pick<BenchCase, 'better' | 'pairs' | 'ours' | 'peer'> {
  const measured =
    (side: Side) =>
    async ({ signal }: BenchContext): Promise<number> =>
      figure(await startup(side.library, requestOf(side), { signal }));
  return {
    better: 'lower',
    pairs: 7,
    ours: measured(ours),
    ...(peer === undefined ? {} : { peer: measured(peer) }),
  };
}
