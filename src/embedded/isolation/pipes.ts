import { spawn } from 'node:child_process';
import { closeSync, constants, fchownSync, openSync, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** Pipes made at once. */
const batchSize = 16;
/** Fewer than this in store: more are made. */
const refillBelow = 9;

/**
 * A pipeline whose every stage tells its number and waits for the end of the input: each but the last has a pipe for its output, which can be
 * opened from outside by way of /proc.
 */
const pipelineScript = `exec 8>&1 9<&0\n${Array.from({ length: batchSize + 1 }, () => '{ read -r pid rest </proc/self/stat; echo "$pid" >&8; read -r rest <&9; }').join(' | ')}`;

interface PipePair {
  readonly read: number;
  readonly write: number;
}

/** The standard streams of a process: the child's ends for `spawn`, ours as streams. */
export interface StandardStreams {
  /** For the first three entries of `stdio`. */
  readonly child: readonly (number | 'ignore')[];
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** To be called when the process has been spawned: it has its own copies then. */
  releaseChildEnds(): void;
}

export interface WantedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** The user who may open the streams by their names (`/dev/stdout`), where it isn't this process' own. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * Real pipes. What Node itself makes for a child are sockets, and `echo > /dev/stderr` fails on a socket. A shell makes them, some at a time and ahead of need.
 */
export class PipePool {
  readonly #sh: string;
  readonly #ready: PipePair[] = [];
  #refilling: Promise<void> | undefined;

  /** Makes the first pipes when they are needed. */
  constructor(sh: string) {
    this.#sh = sh;
  }

  /** Opens the streams that are asked for; the others are `/dev/null`. */
  async streams(wanted: WantedStreams): Promise<StandardStreams> {
    const child: (number | 'ignore')[] = [];
    const stdin = wanted.stdin ? await this.#open('in', child, wanted) : void child.push('ignore');
    const stdout = wanted.stdout ? await this.#open('out', child, wanted) : void child.push('ignore');
    const stderr = wanted.stderr ? await this.#open('out', child, wanted) : void child.push('ignore');
    const releaseChildEnds = () => {
      for (const descriptor of child) if (descriptor !== 'ignore') closeSync(descriptor);
    };
    return { child, stdin, stdout, stderr, releaseChildEnds };
  }

  /** Closes the pipes in store. */
  async close(): Promise<void> {
    await this.#refilling;
    for (const { read, write } of this.#ready.splice(0)) {
      closeSync(read);
      closeSync(write);
    }
  }

  /** `in`: the child reads. Its end is opened anew, since only ours must not block. */
  async #open(direction: 'in' | 'out', child: (number | 'ignore')[], { owner }: WantedStreams): Promise<Socket> {
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
    throw new Error('no pipe could be made');
  }

  async #refill(): Promise<void> {
    const helper = spawn(this.#sh, ['-c', pipelineScript], { stdio: ['pipe', 'pipe', 'ignore'], env: {} });
    const gone = new Promise<void>((resolve) => {
      helper.once('error', () => resolve());
      helper.once('close', () => resolve());
    });
    let told = 0;
    createInterface({ input: helper.stdout }).on('line', (line) => {
      this.#adopt(line);
      told += 1;
      if (told > batchSize) helper.stdin.end();
    });
    await gone;
    this.#refilling = undefined;
  }

  #adopt(pid: string): void {
    const path = `/proc/${pid}/fd/1`;
    try {
      if (!readlinkSync(path).startsWith('pipe:')) return;
      const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      this.#ready.push({ read, write: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) });
    } catch {
      // The helper was killed, or no descriptors are left: whoever needs a pipe is told when there is none.
    }
  }
}
