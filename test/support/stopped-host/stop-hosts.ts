import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

import type { Container, Worker } from '../../../src/index.ts';
import { sh } from '../../contract/worker/setup.ts';
import { mountPath } from './input.ts';

/** Where hosts are stopped. */
export interface StoppedHosts {
  readonly kubeconfigPath: string;
  readonly namespace: string;
  readonly databaseUrl: string;
  readonly workerName: string;
  readonly image: string;
  /** A worker of this name, to look at what became of the containers. */
  readonly worker: Worker;
  /** Ends all leases, by the database's clock. */
  readonly lapseLeases: () => Promise<unknown>;
}

/** When a host is stopped, and what its clock does meanwhile. */
export interface Stop {
  readonly at: 'halfway' | number;
  /** A clock that stands, as that of a machine that is suspended: the host itself does not know that its lease has lapsed. */
  readonly clock: 'runs' | 'stands';
}

const program = fileURLToPath(new URL('./host.ts', import.meta.url));
/** All that the files of the input say, each once. */
const marks = `cat ${mountPath}/mark-* | sort -u`;

/**
 * Stops a host while it creates a container, lets another one take over, complete the container and work in it, and lets the first one continue.
 * It is stopped in the middle of its input, or some time after it has begun. Nothing of what the second one has put there may change.
 */
export async function stopHost(world: StoppedHosts, round: string, { at, clock }: Stop): Promise<void> {
  const first = new Host(world, round, 'first', clock === 'runs' ? 1_000 : 600_000);
  const second = new Host(world, round, 'second', 60_000);
  try {
    await Promise.all([first.says('open'), second.says('open')]);
    first.permit();
    await (at === 'halfway' ? first.says('halfway') : sleep(at));
    first.signal('SIGSTOP');
    if (clock === 'stands') await world.lapseLeases();
    // The rest of its input is there as soon as it continues.
    first.permit();
    second.permit();
    second.permit();
    const container = await find(world, await second.says('handle'));
    const before = (await sh(container, marks)).stdout;
    expect(before, 'the files are of one host').to.be.oneOf(['first\n', 'second\n']);
    await sh(container, `for file in ${mountPath}/mark-*; do echo changed > "$file"; done`);
    first.signal('SIGCONT');
    expect(await first.says('handle'), 'the first host finds the same container').to.equal(container.handle);
    await Promise.all([first.ended(), second.ended()]);
    expect((await sh(container, marks)).stdout, 'the files after the first host has ended').to.equal('changed\n');
  } finally {
    first.kill();
    second.kill();
    await world.worker.ownerFinished({ kind: 'build-step', key: round });
    await world.worker.reap();
  }
}

async function find({ worker }: StoppedHosts, handle: string): Promise<Container> {
  const container = await worker.lookupContainer(handle);
  if (container === undefined) throw new Error('the container is not there');
  return container;
}

/** One host program, and what it has said. */
class Host {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #exit: Promise<unknown>;
  readonly #said: Record<string, string> = {};
  #news = Promise.withResolvers<void>();
  #isOver = false;

  constructor(
    { kubeconfigPath, namespace, databaseUrl, workerName, image }: StoppedHosts,
    key: string,
    mark: string,
    leaseMs: number,
  ) {
    const args = [program, kubeconfigPath, namespace, databaseUrl, workerName, image, key, mark, String(leaseMs)];
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin.on('error', () => {});
    this.#exit = once(this.#child, 'close').then(() => {
      this.#isOver = true;
      this.#tell();
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      for (const [what, value] of Object.entries(JSON.parse(line) as object)) this.#said[what] = String(value);
      this.#tell();
    });
  }

  /** What it says of this. */
  async says(what: string): Promise<string> {
    for (;;) {
      const value = this.#said[what];
      if (value !== undefined) return value;
      if (this.#isOver || this.#said['error'] !== undefined)
        throw new Error(`the host ended: ${this.#said['error'] ?? 'without a word'}`);
      await this.#news.promise;
    }
  }

  /** To begin, then to end its input. */
  permit(): void {
    this.#child.stdin.write('\n');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async ended(): Promise<void> {
    await this.#exit;
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }
}
