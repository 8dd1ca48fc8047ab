import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { UsageError } from '../harness/arguments.ts';

const run = promisify(execFile);

const program = fileURLToPath(new URL('startup-process.mjs', import.meta.url));

/** What a new process does after its import: nothing, or open a worker. */
export interface StartupRequest {
  readonly kubeconfig?: string;
  /** The URL of a PostgreSQL database. */
  readonly url?: string;
  /** The folder of a PGlite database. */
  readonly folder?: string;
}

/** Figures of a process since the begin of its import. */
export interface StartupFigures {
  readonly ms: number;
  /** Of all threads. Unlike `ms` it hardly depends on the other load of the machine. */
  readonly processorMs: number;
  readonly mebibytes: number;
}

export interface StartupOutcome {
  readonly imported: StartupFigures;
  readonly opened: StartupFigures;
}

/** Starts a process that imports the library of a checkout, and resolves with its measurements. */
export async function startup(
  library: string,
  request: StartupRequest,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<StartupOutcome> {
  const { stdout } = await run(process.execPath, [program, JSON.stringify({ module: library, ...request })], {
    ...(signal === undefined ? {} : { signal }),
  });
  return JSON.parse(stdout) as StartupOutcome;
}

/** Runs a new process of Node to its end, and resolves with the milliseconds that it took. */
export async function processMs(
  args: readonly string[],
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<number> {
  const startedAt = performance.now();
  await run(process.execPath, args, signal === undefined ? {} : { signal });
  return performance.now() - startedAt;
}

/**
 * Returns the URL of the built library of a checkout. Hosts import it, and the sources load slower.
 *
 * @throws UsageError - it is not built
 */
export function builtLibrary(checkout: string): string {
  return pathToFileURL(built(checkout, 'dist/src/index.js')).href;
}

/**
 * Returns the path of the built command line of a checkout.
 *
 * @throws UsageError - it is not built
 */
export function builtProgram(checkout: string): string {
  return built(checkout, 'dist/src/service/main.js');
}

function built(checkout: string, path: string): string {
  const file = join(resolve(checkout), path);
  if (!existsSync(file)) throw new UsageError(`${file} does not exist: npm run build there first`);
  return file;
}
