import { execFile, execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const BATCH = 24;

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

/**
 * Real pipes. What Node itself makes for a child are sockets, and `echo > /dev/stderr` fails on a socket; so these are named pipes whose names go as soon as both
 * ends are open. They are made some at a time by `mkfifo`, ahead of need.
 */
export class PipePool {
  readonly #directory: string;
  readonly #mkfifo: string;
  readonly #ready: string[] = [];
  #made = 0;
  #refilling = false;

  private constructor(directory: string, mkfifo: string) {
    this.#directory = directory;
    this.#mkfifo = mkfifo;
  }

  /** Makes the directory and the first pipes. */
  static async open(directory: string, mkfifo: string): Promise<PipePool> {
    await mkdir(directory, { recursive: true, mode: 0o711 });
    const pool = new PipePool(directory, mkfifo);
    pool.#refillNow();
    return pool;
  }

  /** Opens the streams that are asked for; the others are `/dev/null`. */
  streams(wanted: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean }): StandardStreams {
    const child: (number | 'ignore')[] = [];
    const end = (asked: boolean, direction: 'in' | 'out') => {
      const pair = asked ? this.#open(direction) : undefined;
      child.push(pair?.child ?? 'ignore');
      return pair?.own;
    };
    const stdin = end(wanted.stdin, 'in');
    const stdout = end(wanted.stdout, 'out');
    const stderr = end(wanted.stderr, 'out');
    return {
      child,
      stdin,
      stdout,
      stderr,
      releaseChildEnds: () => {
        for (const descriptor of child) if (descriptor !== 'ignore') closeSync(descriptor);
      },
    };
  }

  /** `in`: the child reads. Each end is opened for itself, since only ours must not block. */
  #open(direction: 'in' | 'out'): { child: number; own: Socket } {
    const path = this.#take();
    const both = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    const child = openSync(path, direction === 'in' ? constants.O_RDONLY : constants.O_WRONLY);
    const own = openSync(path, (direction === 'in' ? constants.O_WRONLY : constants.O_RDONLY) | constants.O_NONBLOCK);
    closeSync(both);
    unlinkSync(path);
    return { child, own: new Socket({ fd: own, readable: direction === 'out', writable: direction === 'in' }) };
  }

  #take(): string {
    if (this.#ready.length === 0) this.#refillNow();
    const path = this.#ready.pop();
    if (path === undefined) throw new Error('no pipe could be made');
    if (this.#ready.length < BATCH / 2) this.#refillSoon();
    return path;
  }

  #names(): string[] {
    return Array.from({ length: BATCH }, () => join(this.#directory, String((this.#made += 1))));
  }

  #refillNow(): void {
    const names = this.#names();
    execFileSync(this.#mkfifo, ['-m', '666', ...names]);
    this.#ready.push(...names);
  }

  #refillSoon(): void {
    if (this.#refilling) return;
    this.#refilling = true;
    const names = this.#names();
    execFile(this.#mkfifo, ['-m', '666', ...names], (error) => {
      this.#refilling = false;
      if (error === null) this.#ready.push(...names);
    });
  }
}
