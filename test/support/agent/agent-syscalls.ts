/** Makes system calls of an agent fail or wait. Compiles agent/test/syscalls.c once per suite. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export class AgentSyscalls {
  readonly #folder: string;
  readonly #program: string;
  #files = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#program = join(folder, 'syscalls');
  }

  /** Returns the reason if this machine has no C compiler or does not allow the filter. */
  static async build(): Promise<AgentSyscalls | string> {
    const syscalls = new AgentSyscalls(await mkdtemp(join(tmpdir(), 'kw-syscalls-')));
    const source = join(import.meta.dirname, '../../../agent/test/syscalls.c');
    try {
      await run('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', syscalls.#program, source]);
      await run(syscalls.#program, ['--fail', 'faccessat2=ENOSYS', '--', 'true']);
      return syscalls;
    } catch (error) {
      await syscalls[Symbol.asyncDispose]();
      return `a system call filter cannot be built or installed here: ${String(error).split('\n')[0]}`;
    }
  }

  /** Returns a new path for a file that ends a wait. Disposal removes the file. */
  file(): string {
    this.#files += 1;
    return join(this.#folder, `file-${this.#files}`);
  }

  /** Returns the wrapper of an agent for which these calls fail. */
  failing(calls: readonly string[], error: 'ENOSYS' | 'EPERM'): string[] {
    return [this.#program, ...calls.flatMap((call) => ['--fail', `${call}=${error}`]), '--'];
  }

  /**
   * Returns the wrapper of an agent for which each of these calls takes a millisecond until `file`
   * exists.
   */
  slowing(call: 'renameat' | 'unlinkat', file: string): string[] {
    return this.holding(call, '*', file);
  }

  /**
   * Returns the wrapper of an agent for which this call on a file of this name waits until `file`
   * exists. `${file}.held` exists from then on.
   */
  holding(call: 'renameat' | 'unlinkat' | 'fsync' | 'close', name: string, file: string): string[] {
    return [this.#program, '--hold', `${call}:${name}:${file}`, '--'];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}
