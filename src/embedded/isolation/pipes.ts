import { spawn } from 'node:child_process';
import { closeSync, constants, fchownSync, openSync, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** The number of pipes that one helper creates. */
const batchSize = 16;
/** The pool creates more pipes when it holds fewer than this. */
const refillBelow = 9;

/**
 * A pipeline in which each stage prints its process id and waits for the end of its input. The
 * output of each stage except the last is a pipe, which another process can open through /proc.
 */
const pipelineScript = `exec 8>&1 9<&0\n${Array.from({ length: batchSize + 1 }, () => '{ read -r pid rest </proc/self/stat; echo "$pid" >&8; read -r rest <&9; }').join(' | ')}`;

interface PipePair {
  readonly read: number;
  readonly write: number;
}

/**
 * The standard streams of a process: the child's ends for `spawn`, the parent's ends as streams.
 */
export interface StandardStreams {
  /** The first three entries of `stdio`. */
  readonly child: readonly (number | 'ignore')[];
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /**
   * Closes the parent's copies of the child's ends. Call it after `spawn`, when the process has its
   * own copies.
   */
  releaseChildEnds(): void;
}

export interface RequestedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /**
   * The user that may open the streams by name (`/dev/stdout`). Defaults to the user of this
   * process.
   */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * A pool of pipes. Node creates sockets for the streams of a child, and `echo > /dev/stderr` fails
 * on a socket. A shell creates the pipes in batches and in advance.
 */
export class PipePool {
  readonly #sh: string;
  readonly #ready: PipePair[] = [];
  #refilling: Promise<void> | undefined;

  /** Does not create pipes until the first call of `streams()`. */
  constructor(sh: string) {
    this.#sh = sh;
  }

  /** Opens the requested streams; the others are `/dev/null`. */
  async streams(wanted: RequestedStreams): Promise<StandardStreams> {
    const child: (number | 'ignore')[] = [];
    const stdin = wanted.stdin ? await this.#open('in', child, wanted) : void child.push('ignore');
    const stdout = wanted.stdout ? await this.#open('out', child, wanted) : void child.push('ignore');
    const stderr = wanted.stderr ? await this.#open('out', child, wanted) : void child.push('ignore');
    const releaseChildEnds = () => {
      for (const descriptor of child) if (descriptor !== 'ignore') closeSync(descriptor);
    };
    return { child, stdin, stdout, stderr, releaseChildEnds };
  }

  /** Closes the unused pipes. */
  async close(): Promise<void> {
    await this.#refilling;
    for (const { read, write } of this.#ready.splice(0)) {
      closeSync(read);
      closeSync(write);
    }
  }

  /**
   * Opens a pipe. With `in`, the child reads from it. Opens the child's end again, because only the
   * parent's end must be non-blocking.
   */
  async #open(direction: 'in' | 'out', child: (number | 'ignore')[], { owner }: RequestedStreams): Promise<Socket> {
    const { read, write } = await this.#take();
    const [own, others] = direction === 'in' ? [write, read] : [read, write];
    child.push(openSync(`/proc/self/fd/${others}`, direction === 'in' ? constants.O_RDONLY : constants.O_WRONLY));
    closeSync(others);
    if (owner !== undefined) fchownSync(own, owner.uid, owner.gid);
    return new Socket({ fd: own, readable: direction === 'out', writable: direction === 'in' });
  }

  async #take(): Promise<PipePair> {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const pair = this.#ready.pop();
      if (this.#ready.length < refillBelow) this.#refilling ??= this.#refill();
      if (pair !== undefined) return pair;
      await this.#refilling;
    }
    throw new Error('no pipe could be created');
  }

  async #refill(): Promise<void> {
    const helper = spawn(this.#sh, ['-c', pipelineScript], { stdio: ['pipe', 'pipe', 'ignore'], env: {} });
    const closed = new Promise<void>((resolve) => {
      helper.once('error', () => resolve());
      helper.once('close', () => resolve());
    });
    let reported = 0;
    createInterface({ input: helper.stdout }).on('line', (line) => {
      this.#openPair(line);
      reported += 1;
      if (reported > batchSize) helper.stdin.end();
    });
    await closed;
    this.#refilling = undefined;
  }

  #openPair(pid: string): void {
    const path = `/proc/${pid}/fd/1`;
    try {
      if (!readlinkSync(path).startsWith('pipe:')) return;
      const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      this.#ready.push({ read, write: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) });
    } catch {
      // The helper was killed, or no descriptors are left. `#take()` throws if the pool stays
      // empty.
    }
  }
}
