/**
 * A small file system for one test: it can fill up, run out of inodes, or become read-only. It ends
 * with the test process.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

import type { Context } from 'mocha';

/**
 * Mounts, reports it, and then runs each line of its input. At the end of the input the mount
 * namespace ends, and the mount with it.
 */
const HOLDER = `mount -t tmpfs -o "$1" tmpfs "$0" && echo mounted &&
  while read -r line; do if eval "$line"; then echo done; else echo failed; fi; done`;

export class LimitedFolder {
  /** The path from this process: the mount is in its own namespace. */
  readonly folder: string;
  readonly #mountPoint: string;
  readonly #holder: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterableIterator<string>;

  private constructor(mountPoint: string, holder: ChildProcessByStdio<Writable, Readable, null>, lines: Interface) {
    this.#mountPoint = mountPoint;
    this.#holder = holder;
    this.#lines = lines[Symbol.asyncIterator]() as AsyncIterableIterator<string>;
    this.folder = `/proc/${holder.pid}/root${mountPoint}`;
  }

  /**
   * Mounts a tmpfs with these options (`size=4m,nr_inodes=100`). Returns `undefined` if this
   * machine does not permit it.
   */
  static async mount(options: string): Promise<LimitedFolder | undefined> {
    const mountPoint = await mkdtemp(join(tmpdir(), 'kw-limited-'));
    for (const namespaces of [['--user', '--map-root-user', '--mount'], ['--mount']]) {
      const holder = spawn('unshare', [...namespaces, 'sh', '-c', HOLDER, mountPoint, options], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      holder.on('error', () => undefined);
      const limited = new LimitedFolder(mountPoint, holder, createInterface({ input: holder.stdout }));
      if ((await limited.#answer()) === 'mounted') return limited;
    }
    await rmdir(mountPoint);
    return undefined;
  }

  /** Mounts a tmpfs for a test. Skips the test where this machine does not permit it. */
  static async mountFor(test: Context, options: string): Promise<LimitedFolder> {
    const limited = await LimitedFolder.mount(options);
    if (limited !== undefined) return limited;
    console.log('      skipped: this machine does not permit a mount');
    test.skip();
  }

  /** Runs a shell line inside the mount namespace; `$0` is the mount point. */
  async run(line: string): Promise<void> {
    this.#holder.stdin.write(`${line}\n`);
    const answer = await this.#answer();
    if (answer !== 'done') throw new Error(`"${line}" failed`);
  }

  async #answer(): Promise<string | undefined> {
    const { value } = (await this.#lines.next()) as { value: string | undefined };
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#holder, 'exit');
    this.#holder.stdin.end();
    await exit;
    await rmdir(this.#mountPoint);
  }
}
