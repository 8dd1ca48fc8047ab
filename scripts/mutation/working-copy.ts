import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import type { Mutant } from '../mutant.ts';
import { repository } from './mutant-list.ts';

const run = promisify(execFile);

/** A spec that hangs under a change has detected it. */
const specTimeoutMs = 240_000;
/** For a test: one that hangs need not wait as long as it may on a busy machine. */
const testTimeoutMs = 10_000;

/**
 * The result of a run of specs: the number of tests that passed and failed, or undefined if the
 * specs did not load.
 */
export interface SpecRun {
  readonly totals: { readonly passed: number; readonly failed: number } | undefined;
  readonly timedOut: boolean;
  readonly output: string;
}

/**
 * A copy of the current tree, including uncommitted changes, with the dependencies of the checkout.
 */
export class WorkingCopy implements AsyncDisposable {
  readonly #folder: string;
  readonly #agent: string | undefined;
  readonly #baselines = new Map<string, Promise<SpecRun>>();

  private constructor(folder: string, agent: string | undefined) {
    this.#folder = folder;
    this.#agent = agent;
  }

  /**
   * Creates a copy. With `withAgent`, specs run the agent from the copy's sources instead of the
   * committed one.
   */
  static async create(withAgent: boolean): Promise<WorkingCopy> {
    const folder = await mkdtemp(join(tmpdir(), 'kw-mutate-'));
    const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const { stdout } = await run('git', list, { cwd: repository, maxBuffer: 64 * 1024 * 1024 });
    for (const file of stdout.split('\0').filter((name) => name !== '')) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await cp(join(repository, file), join(folder, file)).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      });
    }
    await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'));
    const copy = new WorkingCopy(folder, withAgent ? join(folder, '.agent-dynamic') : undefined);
    await copy.build();
    return copy;
  }

  /**
   * Compiles the changed files of the agent. Resolves with the compiler's message if that fails.
   */
  async build(): Promise<string | undefined> {
    if (this.#agent === undefined) return undefined;
    return run(join(this.#folder, 'agent/build'), ['--dynamic', this.#agent]).then(
      () => undefined,
      (error: unknown) => String(error),
    );
  }

  /** Applies a mutant. Resolves with a function that reverts it. */
  async apply({ file, find, replace }: Mutant): Promise<() => Promise<void>> {
    const path = join(this.#folder, file);
    const source = await readFile(path, 'utf8');
    await writeFile(path, source.split(find).join(replace));
    return () => writeFile(path, source);
  }

  /** Runs the specs without a change, once for each selection of tests. */
  baseline(killedBy: Mutant['killedBy']): Promise<SpecRun> {
    const key = JSON.stringify(killedBy);
    const kept = this.#baselines.get(key) ?? this.specs(killedBy);
    this.#baselines.set(key, kept);
    return kept;
  }

  async specs({ specs, grep }: Mutant['killedBy']): Promise<SpecRun> {
    const choice = grep === undefined ? [] : ['--fgrep', grep];
    // A file: a pipe may hold unread output when mocha exits, and stays open in processes that
    // outlive it.
    const path = join(this.#folder, '.mocha-output');
    await using file = await open(path, 'w');
    const mocha = spawn(
      process.execPath,
      ['node_modules/mocha/bin/mocha.js', '--bail', '--exit', '--timeout', String(testTimeoutMs), ...choice, ...specs],
      {
        cwd: this.#folder,
        // What one run has compiled, the next one loads: the runs of a copy differ in one file.
        env: { ...process.env, NODE_COMPILE_CACHE: join(this.#folder, '.compile-cache'), ...this.#environment() },
        stdio: ['ignore', file.fd, file.fd],
        detached: true,
      },
    );
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      if (mocha.pid !== undefined) process.kill(-mocha.pid, 'SIGKILL');
    }, specTimeoutMs);
    await new Promise((resolve, reject) => mocha.once('error', reject).once('exit', resolve));
    clearTimeout(timer);
    const output = await readFile(path, 'utf8');
    const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(output) ?? [];
    return {
      totals: passed === undefined ? undefined : { passed: Number(passed), failed: Number(failed) },
      timedOut,
      output,
    };
  }

  #environment(): NodeJS.ProcessEnv {
    return this.#agent === undefined ? {} : { KW_AGENT: join(this.#agent, 'agent'), KW_AGENT_DYNAMIC: this.#agent };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
