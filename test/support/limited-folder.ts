/** A small file system for one test: it fills up, runs out of inodes, or becomes read-only, and ends with the test, however that ends. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** Mounts, says so, and then runs what it is told line by line; at the end of its input the mount namespace goes, and with it the mount. */
const HOLDER = `mount -t tmpfs -o "$1" tmpfs "$0" && echo mounted &&
  while read -r line; do if eval "$line"; then echo done; else echo failed; fi; done`;

export class LimitedFolder {
  /** As seen from here: the mount itself is in a namespace of its own. */
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

  /** A tmpfs with these options (`size=4m,nr_inodes=100`); undefined where this machine doesn't let us mount one. */
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

  /** Runs a line of shell where the mount can be changed; `$0` is the mount point. */
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
